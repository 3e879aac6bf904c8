//! Products, sums and functions of numbers in 32 bits over slices, for what candle does slowly.

mod functions;
mod parallel;
mod product;

pub use functions::{erf, exp, softmax, sum};
pub use parallel::{in_parallel, in_parallel_if_much, in_parts, side_by_side};
pub use product::{mix, product, product_of_many};
