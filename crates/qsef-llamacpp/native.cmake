# llama-cpp-sys-2 turns GGML_NATIVE, llama.cpp's default, off unless all of Rust is compiled with `target-cpu=native`.
if(NOT CMAKE_CROSSCOMPILING)
  set(GGML_NATIVE ON CACHE BOOL "" FORCE)
endif()
