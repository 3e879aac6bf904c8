//! The attribute [`macro@expert`] of qsef, which re-exports it: `#[qsef::expert]`.

mod expand;
mod function;
mod settings;

use proc_macro::TokenStream;

/// Makes an expert of a function, `async` or not: `NAME::expert(model)` gives it, `NAME::profile()` its profile, and the
/// function itself stays as it is.
///
/// ```ignore
/// /// Rolls dice with a number of sides.
/// #[qsef::expert(examples = ["Roll two dice"])]
/// async fn roll_dice(
///     /// How many dice.
///     dice: u32,
///     /// How many sides each has.
///     sides: u32,
/// ) -> qsef::Result<String> {
///     Ok(format!("{dice} dice with {sides} sides: between {dice} and {}", dice * sides))
/// }
///
/// hub.registry_mut().add(roll_dice::expert(model)).await?;
/// ```
///
/// The first paragraph of the doc comment is the description, by which requests are routed. A model fills the parameters from the
/// words of the subtask; their doc comments tell it what they are. Their types are read from JSON (`serde::Deserialize` and
/// `schemars::JsonSchema`), and an `Option` may be missing; attributes such as `#[serde(default)]` are kept. Without
/// parameters no model is called. The output is the return value (`serde::Serialize`): text where it is a string, otherwise JSON.
/// An error of a `Result` is kept where it is a `qsef::Error`; any other becomes `qsef::Error::Expert`. A function that is not
/// `async` must be quick: it runs where the hub runs.
///
/// The arguments are those of an expert in an agent's file: `id` (otherwise the function's name), `examples`, `domains`, `takes`,
/// `gives`, `requires`, `provides`, `effects`, `requires_approval`, `usd_per_mtok`, `timeout_s`, `max_concurrent`, `trials`.
#[proc_macro_attribute]
pub fn expert(settings: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    match expand::expert(settings.into(), item.clone()) {
        Ok(made) => made.into(),
        // The function stays: what calls it is no error, too.
        Err(error) => {
            let (error, item) = (error.into_compile_error(), function::bare(item));
            quote::quote!(#error #item).into()
        }
    }
}
