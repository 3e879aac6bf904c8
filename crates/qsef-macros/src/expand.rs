use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, Result, ReturnType, Type, spanned::Spanned};

use crate::{
    function::{self, Parameter},
    settings::Settings,
};

pub fn expert(settings: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut function: ItemFn =
        syn::parse2(item).map_err(|error| Error::new(error.span(), "`#[expert]` goes on a function"))?;
    let settings = Settings::parse(settings)?;
    let parameters = function::parameters(&function)?;
    let description = function::description(&function)?;
    function::strip(&mut function);

    let (name, vis) = (&function.sig.ident, &function.vis);
    let id = settings.id.as_ref().map_or_else(|| name.to_string().trim_start_matches("r#").to_owned(), |id| id.value());
    let returns = match &function.sig.output {
        ReturnType::Type(_, ty) => &**ty,
        ReturnType::Default => return Err(Error::new(name.span(), "there is no return type")),
    };
    let fields = &settings.fields;
    let gives = (!settings.says_gives).then(|| gives(returns));
    let closure = closure(&function, &parameters, returns);
    let arguments = parameters.iter().map(|Parameter { attrs, name, ty }| quote!(#(#attrs)* #name: #ty));
    let about = format!("The expert that the function [`{name}`]({name}()) is.");

    Ok(quote! {
        #function

        #[doc = #about]
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}

        #[allow(dead_code)]
        impl #name {
            /// What the expert is good at.
            #vis fn profile() -> ::qsef::ExpertProfile {
                let mut profile = ::qsef::ExpertProfile::new(#id, #description);
                #gives
                #(#fields)*
                profile
            }

            /// The expert. The model fills the function's parameters from the words of a subtask.
            #vis fn expert(model: ::qsef::AnyModel) -> ::qsef::AnyExpert {
                #[derive(::qsef::__private::serde::Deserialize, ::qsef::__private::schemars::JsonSchema)]
                #[serde(crate = "::qsef::__private::serde", deny_unknown_fields)]
                #[schemars(crate = "::qsef::__private::schemars")]
                struct Arguments { #(#arguments),* }
                ::qsef::AnyExpert::new(::qsef::experts::TypedExpert::new(Self::profile(), model, #closure))
            }
        }
    })
}

/// From the arguments to the output.
fn closure(function: &ItemFn, parameters: &[Parameter], returns: &Type) -> TokenStream {
    let name = &function.sig.ident;
    let names: Vec<_> = parameters.iter().map(|parameter| &parameter.name).collect();
    let awaits = function.sig.asyncness.map(|_| quote!(.await));
    let result = match function::ok_of(returns) {
        Some(_) => quote!(made.map_err(|error| ::qsef::__private::failure(Self::profile().id, error))),
        None => quote!(::core::result::Result::<_, ::qsef::Error>::Ok(made)),
    };
    // An output that cannot be written as JSON is a mistake of the return type.
    let span = returns.span().resolved_at(Span::call_site());
    quote_spanned! {span=>
        |Arguments { #(#names),* }: Arguments| async move {
            let made = #name(#(#names),*)#awaits;
            #result
        }
    }
}

/// What the expert gives where it does not say.
fn gives(returns: &Type) -> TokenStream {
    let of = match function::ok_of(returns) {
        Some(of) => of,
        None => Some(returns),
    };
    let format = if of.is_some_and(function::is_text) { quote!(Text) } else { quote!(Json) };
    quote!(profile.gives = ::std::vec![::qsef::Format::#format];)
}
