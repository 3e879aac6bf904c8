"""Writes image/: a model of images that is small enough to be kept here, images, and the vectors that ONNX Runtime makes of them.

    pip install onnx onnxruntime numpy pillow && python make_image_model.py
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

here = Path(__file__).parent / "image"
here.mkdir(exist_ok=True)
rng = np.random.default_rng(7)
SIDE, CHANNELS, LENGTH = 16, 8, 12

weights = {
    "filters": rng.normal(0, 0.5, (CHANNELS, 3, 4, 4)),
    "projection": rng.normal(0, 1, (CHANNELS * 16, LENGTH)),
}
graph = helper.make_graph(
    [
        helper.make_node("Conv", ["pixel_values", "filters"], ["patches"], strides=[4, 4]),
        helper.make_node("Relu", ["patches"], ["active"]),
        helper.make_node("Flatten", ["active"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["image_embeds"]),
    ],
    "image",
    [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
    [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", LENGTH])],
    [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, here / "model.onnx")

mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
settings = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": SIDE},
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_normalize": True,
    "image_mean": mean,
    "image_std": std,
}
(here / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")

y, x = np.mgrid[0:SIDE, 0:SIDE]
checks = np.where(((x // 4 + y // 4) % 2 == 0)[..., None], [250, 200, 40], [20, 40, 160])
y, x = np.mgrid[0:48, 0:80]
slope = np.stack([x * 3, y * 5, 255 - x * 2 - y], axis=-1)
Image.fromarray(checks.astype(np.uint8)).save(here / "checks.png")
Image.fromarray(slope.clip(0, 255).astype(np.uint8)).save(here / "slope.png")
Image.fromarray(slope.clip(0, 255).astype(np.uint8)[:, ::-1]).save(here / "mirrored.jpg", quality=95)

session = onnxruntime.InferenceSession(here / "model.onnx")
vectors = {}
for name in ["checks.png", "slope.png", "mirrored.jpg"]:
    image = Image.open(here / name).convert("RGB")
    short = min(image.size)
    image = image.resize([side * SIDE // short for side in image.size], Image.Resampling.BICUBIC)
    left, top = ((side - SIDE) // 2 for side in image.size)
    image = image.crop((left, top, left + SIDE, top + SIDE))
    pixels = (np.asarray(image, dtype=np.float32) / 255 - mean) / std
    (vector,) = session.run(None, {"pixel_values": pixels.transpose(2, 0, 1)[None].astype(np.float32)})
    vectors[name] = [round(float(v), 6) for v in vector[0] / np.linalg.norm(vector[0])]
(here / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")
