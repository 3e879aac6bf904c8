//! Where training computes.

use std::{fmt, str::FromStr};

use candle_core::Device;
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where training computes: `cpu`, `cuda`, or `cuda:1` for another GPU than the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Compute {
    /// On the processor.
    #[default]
    Cpu,
    /// On a GPU, by its number. This needs the feature `cuda`.
    Cuda(usize),
}

impl FromStr for Compute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => text.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number
            .map(Self::Cuda)
            .ok_or_else(|| format!("`{text}` is no device: it is cpu, cuda, or cuda: and a GPU's number"))
    }
}

impl TryFrom<String> for Compute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Compute> for String {
    fn from(of: Compute) -> Self {
        of.to_string()
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Compute {
    /// The device.
    ///
    /// # Errors
    /// [`Error::Input`] where the program was built without the feature `cuda`, and where there is no such GPU.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => Err(Error::Input(
                "this program computes on the processor only; build it with `--features cuda` to train on a GPU".into(),
            )),
            Self::Cuda(number) => {
                Device::new_cuda(number).map_err(|e| Error::Input(format!("the GPU {number} cannot be used: {e}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for name in ["cpu", "cuda", "cuda:3"] {
            assert_eq!(name.parse::<Compute>().unwrap().to_string(), name);
        }
        assert!("gpu".parse::<Compute>().unwrap_err().contains("`gpu` is no device"));
        assert!(Compute::Cpu.open().unwrap().is_cpu());
        #[cfg(not(feature = "cuda"))]
        assert!(Compute::Cuda(0).open().unwrap_err().to_string().contains("--features cuda"));
    }
}
