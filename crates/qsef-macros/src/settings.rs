//! The arguments of the attribute, which are those of an expert in an agent's file.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, Expr, ExprLit, Lit, LitStr, MetaNameValue, Result, Stmt, Token, parse::Parser, punctuated::Punctuated,
    spanned::Spanned,
};

/// What an argument may be.
#[derive(Clone, Copy)]
enum Kind {
    Id,
    Texts,
    /// Kinds of thing, in words.
    Types,
    Formats,
    Effects,
    Truth,
    /// Of at least 0.
    Number,
    /// Above 0.
    Seconds,
    /// At least 1.
    Count,
    Trials,
}

const KEYS: &[(&str, Kind)] = &[
    ("id", Kind::Id),
    ("examples", Kind::Texts),
    ("domains", Kind::Texts),
    ("takes", Kind::Formats),
    ("gives", Kind::Formats),
    ("requires", Kind::Types),
    ("provides", Kind::Types),
    ("effects", Kind::Effects),
    ("requires_approval", Kind::Truth),
    ("usd_per_mtok", Kind::Number),
    ("timeout_s", Kind::Seconds),
    ("max_concurrent", Kind::Count),
    ("trials", Kind::Trials),
];

/// Formats by their names in an agent's file.
const FORMATS: &[(&str, &str)] = &[
    ("text", "Text"),
    ("number", "Number"),
    ("boolean", "Boolean"),
    ("date", "Date"),
    ("list", "List"),
    ("table", "Table"),
    ("json", "Json"),
    ("yaml", "Yaml"),
    ("csv", "Csv"),
    ("markdown_table", "MarkdownTable"),
    ("fenced", "Fenced"),
    ("image", "Image"),
    ("audio", "Audio"),
];

/// The arguments of an attribute.
pub struct Settings {
    pub id: Option<LitStr>,
    pub says_gives: bool,
    /// Statements that set fields of `profile`.
    pub fields: Vec<TokenStream>,
}

impl Settings {
    pub fn parse(tokens: TokenStream) -> Result<Self> {
        let pairs = Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut settings = Self { id: None, says_gives: false, fields: Vec::new() };
        let mut seen: Vec<String> = Vec::new();
        let mut errors: Option<Error> = None;
        for pair in &pairs {
            let name = pair.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let done = match KEYS.iter().find(|(key, _)| *key == name) {
                _ if seen.contains(&name) => Err(Error::new(pair.path.span(), format!("`{name}` is given twice"))),
                Some((_, kind)) => settings.set(&name, *kind, &pair.value),
                None => {
                    let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
                    Err(Error::new(pair.path.span(), format!("unknown argument; there are: {}", known.join(", "))))
                }
            };
            seen.push(name);
            if let Err(error) = done {
                match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                }
            }
        }
        errors.map_or(Ok(settings), Err)
    }

    fn set(&mut self, name: &str, kind: Kind, value: &Expr) -> Result<()> {
        let made = match kind {
            Kind::Id => {
                let id = text(value)?;
                if id.value().trim().is_empty() {
                    return Err(Error::new(id.span(), "an id must not be empty"));
                }
                self.id = Some(id);
                return Ok(());
            }
            Kind::Texts => texts(value)?,
            Kind::Types => types(value)?,
            Kind::Formats => {
                self.says_gives |= name == "gives";
                let formats = items(value)?.map(format).collect::<Result<Vec<_>>>()?;
                quote!(::std::vec![#(#formats),*])
            }
            Kind::Effects => match text(value)?.value().as_str() {
                "none" => quote!(::qsef::Effects::None),
                "external" => quote!(::qsef::Effects::External),
                _ => {
                    return Err(Error::new(
                        value.span(),
                        "must be \"none\", or \"external\" for what changes the world",
                    ));
                }
            },
            Kind::Truth => match value {
                Expr::Lit(ExprLit { lit: Lit::Bool(truth), .. }) => quote!(#truth),
                _ => return Err(Error::new(value.span(), "must be `true` or `false`")),
            },
            Kind::Number => number(value, "a number of at least 0", |n| n >= 0.0)?,
            Kind::Seconds => {
                let seconds = number(value, "a number of seconds above 0", |n| n > 0.0)?;
                quote!(::core::option::Option::Some(#seconds))
            }
            Kind::Count => {
                let count = whole(value, 1)?;
                quote!(::core::option::Option::Some(#count as usize))
            }
            Kind::Trials => whole(value, 0)?,
        };
        let field = quote::format_ident!("{name}");
        self.fields.push(quote!(profile.#field = #made;));
        Ok(())
    }
}

fn text(value: &Expr) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        _ => Err(Error::new(value.span(), "must be a text in quotes")),
    }
}

fn items(value: &Expr) -> Result<impl Iterator<Item = &Expr>> {
    match value {
        Expr::Array(array) => Ok(array.elems.iter()),
        _ => Err(Error::new(value.span(), "must be a list: [\"…\", \"…\"]")),
    }
}

fn texts(value: &Expr) -> Result<TokenStream> {
    let texts = items(value)?.map(text).collect::<Result<Vec<_>>>()?;
    Ok(quote!(::std::vec![#(::std::string::String::from(#texts)),*]))
}

fn types(value: &Expr) -> Result<TokenStream> {
    for item in items(value)? {
        if !text(item)?.value().contains(char::is_alphabetic) {
            return Err(Error::new(item.span(), "must be a kind of thing in words, such as \"order id\""));
        }
    }
    texts(value)
}

fn number(value: &Expr, what: &str, fits: impl Fn(f64) -> bool) -> Result<TokenStream> {
    let number = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<f64>().ok(),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse::<f64>().ok(),
        _ => None,
    };
    match number.filter(|n| n.is_finite() && fits(*n)) {
        Some(number) => Ok(quote!(#number)),
        None => Err(Error::new(value.span(), format!("must be {what}"))),
    }
}

fn whole(value: &Expr, least: u32) -> Result<TokenStream> {
    let number = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    match number.filter(|n| *n >= least) {
        Some(number) => Ok(quote!(#number)),
        None => Err(Error::new(value.span(), format!("must be a whole number of at least {least}"))),
    }
}

/// A format by its name, or `{ code = "rust" }`.
fn format(value: &Expr) -> Result<TokenStream> {
    if let Some(language) = code(value) {
        return Ok(quote!(::qsef::Format::Code(::std::string::String::from(#language))));
    }
    let name = text(value).ok().map(|name| name.value());
    match FORMATS.iter().find(|(format, _)| Some(*format) == name.as_deref()) {
        Some((_, variant)) => {
            let variant = quote::format_ident!("{variant}");
            Ok(quote!(::qsef::Format::#variant))
        }
        None => {
            let known: Vec<&str> = FORMATS.iter().map(|(format, _)| *format).collect();
            let message = format!("unknown format; there are: {}, {{ code = \"rust\" }}", known.join(", "));
            Err(Error::new(value.span(), message))
        }
    }
}

/// The language of `{ code = "rust" }`, which Rust reads as a block with an assignment.
fn code(value: &Expr) -> Option<LitStr> {
    let Expr::Block(block) = value else { return None };
    let [Stmt::Expr(Expr::Assign(assign), None)] = block.block.stmts.as_slice() else { return None };
    let Expr::Path(name) = &*assign.left else { return None };
    if name.path.is_ident("code") { text(&assign.right).ok() } else { None }
}
