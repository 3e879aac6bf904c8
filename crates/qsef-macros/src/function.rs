//! What a function has to be to be an expert.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, Meta, Pat, PatType, Result, ReturnType, Type};

/// A parameter.
pub struct Parameter {
    /// Its doc comments and other attributes.
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    pub ty: Type,
}

/// The parameters of a function that can be an expert.
pub fn parameters(function: &ItemFn) -> Result<Vec<Parameter>> {
    let signature = &function.sig;
    let refused = |span: &dyn ToTokens, message: &str| Err(Error::new_spanned(span, message));
    let generics = &signature.generics;
    if !generics.params.is_empty() || generics.where_clause.is_some() {
        return refused(generics, "an expert is one function: it cannot be generic");
    }
    if let Some(abi) = &signature.abi {
        return refused(abi, "an expert is an ordinary Rust function");
    }
    if let Some(variadic) = &signature.variadic {
        return refused(variadic, "an expert has a fixed number of parameters");
    }
    if let ReturnType::Default = signature.output {
        return refused(
            &signature.ident,
            "return what was made, or what was done, such as a `String`: it is the expert's output",
        );
    }
    signature.inputs.iter().map(parameter).collect()
}

fn parameter(input: &FnArg) -> Result<Parameter> {
    let PatType { attrs, pat, ty, .. } = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let message =
                "an expert cannot be a method; for one with a state of its own use `TypedExpert::new` and a closure";
            return Err(Error::new_spanned(receiver, message));
        }
    };
    let Pat::Ident(name) = &**pat else {
        return Err(Error::new_spanned(pat, "a parameter needs a name: the model fills it by that"));
    };
    match &**ty {
        Type::Reference(_) => {
            Err(Error::new_spanned(ty, "use an owned type, such as `String` for `&str`: the value is read from JSON"))
        }
        Type::ImplTrait(_) => Err(Error::new_spanned(ty, "an expert is one function: it cannot be generic")),
        _ => Ok(Parameter { attrs: attrs.clone(), name: name.ident.clone(), ty: (**ty).clone() }),
    }
}

/// The first paragraph of a doc comment.
pub fn description(function: &ItemFn) -> Result<String> {
    let lines = function.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    let description = lines.collect::<Vec<_>>().join(" ");
    if description.is_empty() {
        let message = "describe what it does in a doc comment; the router reads it";
        return Err(Error::new(function.sig.ident.span(), message));
    }
    Ok(description)
}

/// Whether a type is a string, of which the output is text.
pub fn is_text(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "String"),
        Type::Reference(reference) => matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str")),
        _ => false,
    }
}

/// What the `Ok` of a result type holds; none for a type that is no result.
pub fn ok_of(ty: &Type) -> Option<Option<&Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let syn::PathArguments::AngleBracketed(of) = &last.arguments else { return Some(None) };
    Some(
        of.args.iter().find_map(|argument| if let syn::GenericArgument::Type(ty) = argument { Some(ty) } else { None }),
    )
}

/// Takes from parameters the attributes that only this macro understands.
pub fn strip(function: &mut ItemFn) {
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = input {
            typed.attrs.clear();
        }
    }
}

/// The item without what would be an error of its own.
pub fn bare(item: TokenStream) -> TokenStream {
    match syn::parse2::<ItemFn>(item.clone()) {
        Ok(mut function) => {
            strip(&mut function);
            function.into_token_stream()
        }
        Err(_) => item,
    }
}
