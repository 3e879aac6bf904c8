use qsef_core::{Format, Payload};
use serde_json::{Map, Value};

/// One hand-off: a payload, the format that its reader takes, and what the payload says that must reach the reader as written.
pub struct Pair {
    pub payload: Payload,
    pub takes: Format,
    pub facts: Vec<String>,
}

/// Tables as rows of cells, the header first.
const TABLES: &[&[&[&str]]] = &[
    &[
        &["city", "country", "population", "area_km2"],
        &["São Paulo", "Brazil", "12,325,232", "1521.11"],
        &["Zürich", "Switzerland", "421878", "87.88"],
        &["北京", "中国", "21,893,095", "16410.50"],
    ],
    &[
        &["invoice", "date", "customer", "net", "vat"],
        &["INV-00042", "2024-05-03", "Müller & Söhne, Köln", "1,250.50 EUR", "19%"],
        &["INV-00043", "2024-05-13", "O'Brien \"Quick\" Ltd", "-80.00 EUR", "0%"],
    ],
    &[
        &["id", "zip", "phone", "active"],
        &["007", "01067", "+49 351 4960", "true"],
        &["008", "00501", "+1 631 555 0100", "false"],
        &["010", "09111", "", "true"],
    ],
    &[
        &["part", "size", "tolerance", "note"],
        &["bolt M8", "8.00 mm", "±0.05 mm", "do not overtighten"],
        &["nut | washer", "8.40 mm", "0.1 mm", "not stainless\nuse oil"],
    ],
    &[
        &["品名", "数量", "单价", "备注"],
        &["苹果", "12 公斤", "¥6.50", "不含税"],
        &["《红楼梦》", "3 册", "¥128.00", "没有现货"],
    ],
    &[
        &["account", "balance", "rate"],
        &["123456789012345678901234567890", "0.10", "3.250%"],
        &["9007199254740993", "1e400", "-0.75%"],
    ],
];

const NUMBERS: &[&str] = &[
    "36",
    "36 km",
    "-4.50 °C",
    "1,250.50 EUR",
    "$5.00",
    "12.0%",
    "0.10",
    "9007199254740993",
    "60 km/h",
    "3.2e-5",
    "3500元",
    "1 h",
];

/// As people write them, and in ISO 8601.
const DATES: &[(&str, &str)] = &[
    ("3 May 2024", "2024-05-03"),
    ("May 13, 2024", "2024-05-13"),
    ("2024年12月1日", "2024-12-01"),
    ("25/12/2024", "2024-12-25"),
    ("2024-02-29", "2024-02-29"),
    ("Friday, 1 March 2024", "2024-03-01"),
];

const CODE: &[(&str, &str)] = &[
    ("python", "def area(r: float) -> float:\n    \"\"\"π r², never negative.\"\"\"\n    return 3.14159 * r ** 2"),
    ("rust", "fn main() {\n    let s = \"```\";\n    println!(\"{s} {}\", 1_000.50);\n}"),
    ("sql", "SELECT name, price FROM items\nWHERE NOT sold AND price >= 12.50;"),
    ("bash", "set -euo pipefail\nfor f in *.csv; do wc -l \"$f\"; done"),
    ("javascript", "const 名 = {id: '007', ok: !false};\nexport default 名;"),
    ("go", "if err != nil {\n\treturn fmt.Errorf(\"read %q: %w\", path, err)\n}"),
];

const LISTS: &[&[&str]] = &[
    &["Berlin", "Rio de Janeiro", "Ürümqi"],
    &["2 kg flour", "0.5 l milk", "3 eggs, not boiled"],
    &["北京", "上海", "广州"],
    &["ann@example.org", "INV-00042", "007"],
];

/// Prose without a structure in it: only a reader of text, or the model, can do something with it.
const PROSE: &[&str] = &[
    "Ann paid 1,250.50 EUR to Müller GmbH on 3 May 2024. The second invoice, INV-00043, is not paid yet.",
    "王小明先生在北京大学花了3500元，没有发票。",
    "The bridge is 1,050.0 m long and carries 12% more traffic than in 2019. Never cross it without lights.",
];

/// The hand-offs, made of every value in every form that experts give it, and of the formats that a reader of it would take.
pub fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut add = |payload: &Payload, takes: &[Format], facts: &[String]| {
        pairs.extend(takes.iter().map(|t| Pair { payload: payload.clone(), takes: t.clone(), facts: facts.to_vec() }));
    };
    use Format::*;
    for table in TABLES {
        let facts: Vec<String> = table
            .iter()
            .flat_map(|row| row.iter())
            .flat_map(|cell| cell.split(['"', '|', '\n']))
            .map(|c| c.trim().to_owned())
            .collect();
        for payload in spellings(table) {
            add(&payload, &[Text, Json, Yaml, Csv, MarkdownTable, Table, List], &facts);
        }
    }
    for number in NUMBERS {
        let facts = [(*number).to_owned()];
        add(&Payload::string(*number, Number), &[Text, Number, Json, Yaml], &facts);
        add(&Payload::text(*number), &[Number, Json], &facts);
        add(&Payload::json((*number).into()), &[Number, Text, Yaml], &facts);
        add(&Payload::text(format!("The result is {number}.")), &[Number, Text], &facts);
        add(&Payload::text(format!("It is not {number}.")), &[Number], &facts);
    }
    for (written, iso) in DATES {
        let facts = [(*iso).to_owned()];
        add(&Payload::text(*written), &[Date], &facts);
        add(&Payload::json((*written).into()), &[Date], &facts);
        add(&Payload::string(*iso, Date), &[Text, Json, Yaml, Date], &facts);
        add(&Payload::text(format!("The invoice is due on {written}.")), &[Date, Text], &[]);
    }
    for (written, value) in [("yes", true), ("No.", false), ("是", true), ("不是", false), ("TRUE", true)] {
        add(&Payload::text(written), &[Boolean], &[value.to_string()]);
        add(&Payload { format: Boolean, ..Payload::json(value.into()) }, &[Text, Json, Yaml], &[value.to_string()]);
    }
    add(&Payload::text("No, Ann has not paid."), &[Boolean, Text], &[]);
    for (language, code) in CODE {
        let facts: Vec<String> = code.lines().map(|line| line.trim().to_owned()).collect();
        let fence = if code.contains("```") { "````" } else { "```" };
        let fenced = format!("{fence}{language}\n{code}\n{fence}");
        let own = Code((*language).into());
        add(&Payload::string(*code, own.clone()), &[own.clone(), Fenced, Text], &facts);
        add(&Payload::string(&fenced, Fenced), &[own.clone(), Text], &facts);
        add(&Payload::text(&fenced), &[own.clone(), Fenced], &facts);
        add(
            &Payload::text(format!("Here is the code you asked for:\n\n{fenced}\n\nIt needs no libraries.")),
            &[own, Fenced, Text],
            &facts,
        );
    }
    for items in LISTS {
        let facts: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        let value: Value = items.iter().map(|item| Value::from(*item)).collect();
        let lines = |mark: fn(usize) -> String| {
            items.iter().enumerate().map(|(i, item)| format!("{}{item}\n", mark(i + 1))).collect::<String>()
        };
        let all = [List, Json, Yaml, Text, Csv];
        add(&Payload { format: List, ..Payload::json(value.clone()) }, &all, &facts);
        add(&Payload::json(value), &all, &facts);
        add(&Payload::text(lines(|_| "- ".into())), &all, &facts);
        add(&Payload::text(lines(|i| format!("{i}. "))), &all, &facts);
        add(&Payload::text(format!("These are the items:\n\n{}\nThat is all.", lines(|_| "* ".into()))), &all, &facts);
        let (last, first) = items.split_last().unwrap();
        add(&Payload::text(format!("{} and {last}.", first.join(", "))), &[List], &facts);
    }
    for prose in PROSE {
        add(&Payload::text(*prose), &[Text, Json, Table, List, Number], &[]);
    }
    pairs
}

/// A table in each form that experts write it in.
fn spellings(table: &[&[&str]]) -> Vec<Payload> {
    let (header, rows) = table.split_first().unwrap();
    let row = |row: &&[&str]| -> Value {
        let fields: Map<String, Value> =
            header.iter().zip(*row).map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
        Value::Object(fields)
    };
    let value: Value = rows.iter().map(row).collect();
    let csv = {
        let mut writer = csv::Writer::from_writer(Vec::new());
        table.iter().for_each(|row| writer.write_record(*row).unwrap());
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    };
    let line = |cells: &[&str]| {
        let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|").replace('\n', "<br>")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let markdown = format!(
        "{}|{}\n{}",
        line(header),
        ":---|".repeat(header.len()),
        rows.iter().map(|r| line(r)).collect::<String>()
    );
    let yaml: String = rows
        .iter()
        .map(|row| {
            let fields: Vec<String> =
                header.iter().zip(*row).map(|(k, v)| format!("{k}: {}", Value::from(*v))).collect();
            format!("- {}\n", fields.join("\n  "))
        })
        .collect();
    let pretty = format!("{value:#}");
    vec![
        Payload { format: Format::Table, ..Payload::json(value.clone()) },
        Payload::json(value),
        Payload::string(&csv, Format::Csv),
        Payload::string(&markdown, Format::MarkdownTable),
        Payload::string(yaml, Format::Yaml),
        Payload::text(&pretty),
        Payload::text(&csv),
        Payload::text(&markdown),
        Payload::text(format!("Here is the table:\n\n{markdown}\nLet me know if you need more.")),
        Payload::text(format!("Sure!\n\n```json\n{pretty}\n```\nThese are all rows.")),
    ]
}
