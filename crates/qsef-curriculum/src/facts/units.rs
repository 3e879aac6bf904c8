//! Units by the words and signs that they are written with.

/// A unit, by one name for all of its spellings.
pub(super) type Unit = &'static str;

/// Units whose word may go where the number stays ("10 years old", "aged 10").
const SOFT: &[Unit] = &["year", "month", "week", "day", "hour", "minute", "second", "degree", "points"];

/// Whether a number keeps its meaning where the unit is not said.
pub(super) fn is_soft(unit: Unit) -> bool {
    SOFT.contains(&unit)
}

/// Whether two units may be the same: `¥` is the sign of two currencies, and degrees are of temperature or of angles.
pub(super) fn alike(a: Unit, b: Unit) -> bool {
    let one = |a, b| matches!((a, b), ("¥", "yuan" | "yen") | ("degree", "°C" | "°F"));
    a == b || one(a, b) || one(b, a)
}

/// The currency that a sign or code before an amount means.
pub(super) fn currency(head: &str) -> Option<Unit> {
    let head = head.trim_end_matches([' ', '-', '−']);
    Some(match head.chars().next_back()? {
        '$' => "dollar",
        '£' => "pound",
        '€' => "euro",
        '¥' | '￥' => "¥",
        '₹' => "rupee",
        _ => match head.get(head.len().checked_sub(3)?..)? {
            "USD" => "dollar",
            "EUR" => "euro",
            "GBP" => "pound",
            "CNY" | "RMB" => "yuan",
            "JPY" => "yen",
            _ => return None,
        },
    })
}

/// The unit that a sign directly after an amount means.
pub(super) fn sign(tail: &str) -> Option<(Unit, usize)> {
    let signs: [(&str, Unit); 11] = [
        ("%", "percent"),
        ("％", "percent"),
        ("°C", "°C"),
        ("℃", "°C"),
        ("°F", "°F"),
        ("°", "degree"),
        ("€", "euro"),
        ("£", "pound"),
        ("$", "dollar"),
        ("km/h", "km/h"),
        ("m/s", "m/s"),
    ];
    let space = usize::from(tail.starts_with(' '));
    let rest = tail.get(space..)?;
    signs.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(sign, unit)| (*unit, space + sign.len()))
}

/// The unit that an English word or symbol means. Symbols are told by their case where it matters.
pub(super) fn word(word: &str) -> Option<Unit> {
    Some(match word {
        "m" => "m",
        "g" => "g",
        "C" => "°C",
        "F" => "°F",
        "t" => "tonne",
        "l" | "L" => "litre",
        "s" => "second",
        "h" => "hour",
        "W" => "watt",
        "V" => "volt",
        _ => return long(&word.to_lowercase()),
    })
}

fn long(word: &str) -> Option<Unit> {
    Some(match word {
        "percent" | "pct" => "percent",
        "km" | "kms" | "kilometre" | "kilometres" | "kilometer" | "kilometers" => "km",
        "metre" | "metres" | "meter" | "meters" => "m",
        "cm" | "centimetre" | "centimetres" | "centimeter" | "centimeters" => "cm",
        "mm" | "millimetre" | "millimetres" | "millimeter" | "millimeters" => "mm",
        "mile" | "miles" | "mi" => "mile",
        "mph" => "mph",
        "kph" | "kmh" => "km/h",
        "foot" | "feet" | "ft" => "foot",
        "inch" | "inches" => "inch",
        "yard" | "yards" | "yd" => "yard",
        "kg" | "kgs" | "kilo" | "kilos" | "kilogram" | "kilograms" | "kilogramme" | "kilogrammes" => "kg",
        "gram" | "grams" | "gramme" | "grammes" => "g",
        "mg" | "milligram" | "milligrams" => "mg",
        "ton" | "tons" | "tonne" | "tonnes" => "tonne",
        "lb" | "lbs" | "pound" | "pounds" | "gbp" => "pound",
        "ounce" | "ounces" | "oz" => "ounce",
        "litre" | "litres" | "liter" | "liters" => "litre",
        "ml" | "millilitre" | "millilitres" | "milliliter" | "milliliters" => "ml",
        "gallon" | "gallons" => "gallon",
        "hectare" | "hectares" | "ha" => "hectare",
        "acre" | "acres" => "acre",
        "celsius" | "centigrade" => "°C",
        "fahrenheit" => "°F",
        "degree" | "degrees" => "degree",
        "dollar" | "dollars" | "usd" => "dollar",
        "euro" | "euros" | "eur" => "euro",
        "yuan" | "renminbi" | "rmb" | "cny" => "yuan",
        "yen" | "jpy" => "yen",
        "rupee" | "rupees" => "rupee",
        "cent" | "cents" => "cent",
        "pence" => "pence",
        "watt" | "watts" => "watt",
        "kw" | "kilowatt" | "kilowatts" => "kilowatt",
        "mw" | "megawatt" | "megawatts" => "megawatt",
        "kwh" => "kWh",
        "volt" | "volts" => "volt",
        "hz" | "hertz" => "hertz",
        "kb" | "kilobyte" | "kilobytes" => "kilobyte",
        "mb" | "megabyte" | "megabytes" => "megabyte",
        "gb" | "gigabyte" | "gigabytes" => "gigabyte",
        "tb" | "terabyte" | "terabytes" => "terabyte",
        "calorie" | "calories" | "kcal" => "calorie",
        "year" | "years" | "yr" | "yrs" => "year",
        "month" | "months" => "month",
        "week" | "weeks" => "week",
        "day" | "days" => "day",
        "hour" | "hours" | "hr" | "hrs" => "hour",
        "minute" | "minutes" | "min" | "mins" => "minute",
        "second" | "seconds" | "sec" | "secs" => "second",
        _ => return None,
    })
}

/// The unit that Chinese text directly after an amount begins with, and its length in bytes.
pub(super) fn chinese(tail: &str) -> Option<(Unit, usize)> {
    // Longer spellings before those that they begin with.
    const UNITS: &[(&str, Unit)] = &[
        ("平方公里", "km²"),
        ("平方千米", "km²"),
        ("平方米", "m²"),
        ("立方米", "m³"),
        ("公里", "km"),
        ("千米", "km"),
        ("厘米", "cm"),
        ("毫米", "mm"),
        ("英里", "mile"),
        ("英尺", "foot"),
        ("米", "m"),
        ("公斤", "kg"),
        ("千克", "kg"),
        ("毫克", "mg"),
        ("克", "g"),
        ("吨", "tonne"),
        ("斤", "jin"),
        ("毫升", "ml"),
        ("升", "litre"),
        ("公顷", "hectare"),
        ("亩", "mu"),
        ("美元", "dollar"),
        ("欧元", "euro"),
        ("英镑", "pound"),
        ("日元", "yen"),
        ("人民币", "yuan"),
        ("元", "yuan"),
        ("块", "yuan"),
        ("摄氏度", "°C"),
        ("华氏度", "°F"),
        ("千瓦时", "kWh"),
        ("小时", "hour"),
        ("个小时", "hour"),
        ("分钟", "minute"),
        ("秒", "second"),
        ("个月", "month"),
        ("年", "year"),
        ("天", "day"),
        ("周", "week"),
        ("个星期", "week"),
        ("岁", "year"),
        ("度", "degree"),
        ("个百分点", "percent"),
    ];
    let tail = tail.trim_start_matches(' ');
    UNITS.iter().find(|(name, _)| tail.starts_with(name)).map(|(name, unit)| (*unit, name.len()))
}
