use super::*;

fn en(source: &str, rewritten: &str) -> Vec<String> {
    lost(&Facts::of(source, Language::En), &Facts::of(rewritten, Language::En))
}

fn zh(source: &str, rewritten: &str) -> Vec<String> {
    lost(&Facts::of(source, Language::Zh), &Facts::of(rewritten, Language::Zh))
}

fn new(source: &str, rewritten: &str) -> Vec<String> {
    added(&Facts::of(source, Language::En), &Facts::of(rewritten, Language::En))
}

fn denies(source: &str, rewritten: &str) -> bool {
    negation_added(&Facts::of(source, Language::En), &Facts::of(rewritten, Language::En))
}

/// Pairs that say the same in other words.
const KEPT: &[(&str, &str)] = &[
    // Numbers.
    ("The town of 7,000 people will go on display.", "You can see the town where 7000 people live."),
    ("It has 7 000 inhabitants.", "Seven thousand people live there."),
    ("About 2.5 million tourists came.", "Some 2,500,000 tourists came."),
    ("He had three brothers and twelve cousins.", "He had 3 brothers and 12 cousins."),
    ("One should not drink it.", "Do not drink it."),
    ("Only one of the houses still stands.", "Just a single house still stands."),
    ("Prices rose by 15% in a year.", "Prices went up by 15 per cent in one year."),
    ("Fifty percent of them left.", "Half of them left."),
    ("In the 21st century it grew.", "It grew in the twenty-first century."),
    ("It was built in the 19th century.", "They built it in the 1800s."),
    ("It began in the 1990s.", "It started in the nineties."),
    ("It opened on 4 July 2013.", "On July 4, 2013 it opened."),
    ("It opened on 2013-07-04.", "It opened on 4 July 2013."),
    ("Two hundred and five people died.", "205 people died."),
    ("He won for the fourth time.", "He has won 4 times."),
    ("It is two and a half metres long.", "It is 2.5 m long."),
    ("Half a million people marched.", "500,000 people walked."),
    ("Two-thirds of the pupils passed.", "Most of the pupils, 2/3 of them, passed."),
    ("The second team lost 3-2.", "The other team lost 3–2."),
    ("She waited ten years.", "She waited a decade."),
    ("The train left at 10:30.", "The train left at 10.30."),
    // Units and money.
    ("It is 5 km away.", "It is 5 kilometers away."),
    ("They drove between 5 km and 10 km.", "They drove 5 to 10 kilometres."),
    ("It costs $200.", "You pay 200 dollars for it."),
    ("It costs £5m.", "It costs 5 million pounds."),
    ("The richest 100 made $240bn.", "The 100 richest people made $240 billion."),
    ("He is ten years old.", "He is aged 10."),
    ("The 18kg camera", "The camera weighs 18 kilograms"),
    ("Water boils at 100 °C.", "Water boils at 100 degrees Celsius."),
    ("The city covers 30 square kilometres.", "The city has an area of 30 square kilometers."),
    ("A speed of 100 kilometres per hour", "It drives 100 km/h"),
    ("It is 1 km away.", "It is a kilometre away."),
    ("He sold it for US$3.2 million in Berlin.", "In Berlin he got 3.2 million US dollars for it."),
    // Names.
    ("Yesterday President Barack Obama spoke.", "Obama gave a talk."),
    ("They met Mr Smith in the Canadian capital.", "They met Smith in the capital of Canada."),
    ("The United Nations agreed.", "The UN said yes."),
    ("The World Health Organization (WHO) warned of it.", "The WHO warned of it."),
    ("He works for NASA.", "NASA pays him."),
    ("He lives in the US.", "He lives in America."),
    ("He lives in the United States.", "He lives in the USA."),
    ("They toured the Amazon River.", "They travelled on the Amazon."),
    ("She met the French president.", "She met the president of France."),
    ("They like Google’s mission.", "They like what Google does."),
    ("He said: “We are happy.”", "He said that they are happy."),
    ("However, scientists at the University of Oxford agree.", "At Oxford, people who study it agree."),
    ("José went to São Paulo.", "Jose went to Sao Paulo."),
    ("The Internet is slow on Mondays.", "On a Monday, being online is slow."),
    ("## How The Town Came To Be\n\nIt is old.", "It is old."),
    ("He read the report by Oxfam’s Chief Executive Barbara Stocking.", "He read what Stocking of Oxfam wrote."),
    // Negations.
    ("It is not legal.", "It is illegal."),
    ("He did not arrive.", "He failed to arrive."),
    ("He failed to arrive.", "He was late."),
    ("Neither Ann nor Bob came.", "Ann and Bob didn’t come."),
    ("It is not only big but heavy.", "It is big and heavy."),
    ("It was not uncommon.", "It was common."),
    ("No doubt it works.", "It surely works."),
    // Code and addresses.
    ("Call `cargo test` first.", "First, run `cargo test`."),
    ("See https://example.org/a_b for more.", "More is at https://example.org/a_b."),
    ("1. Wash it.\n2. Dry it.", "Wash it, then dry it."),
    ("He met her in the summer of ’69.", "He met her in the summer of 1969."),
    ("One in four adults has it.", "A quarter of adults have it."),
    ("Three out of ten Germans like it.", "30% of Germans like it."),
    ("World War II ended on 2/9/1945.", "The Second World War ended on 2 September 1945."),
    ("She lives in New York City.", "She lives in New York."),
    ("They sold the iPhone 5.", "You could buy the iPhone 5."),
    ("The MPs agreed.", "An MP said that they agreed."),
    ("It grew fast [12].", "It grew fast."),
];

#[test]
fn what_is_said_in_other_words_is_kept() {
    let lost = KEPT.iter().map(|(source, rewritten)| (en(source, rewritten), source, rewritten));
    let lost: Vec<_> = lost.filter(|(lost, ..)| !lost.is_empty()).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn what_is_missing_is_named() {
    for (source, rewritten, missing) in [
        ("The town of 7,000 people.", "The town of many people.", "the number 7,000"),
        ("About 2.5 million came.", "About 2 million came.", "the number 2.5 million"),
        ("He had three brothers.", "He had brothers.", "the number three"),
        ("It opened on 4 July 2013.", "It opened in July 2013.", "the number 4"),
        ("It opened on 4 July 2013.", "It opened on 4 June 2013.", "the name July"),
        ("It is 5 km away.", "It is 5 miles away.", "the unit of 5 km"),
        ("It costs $200.", "It costs 200 euros.", "the unit of $200"),
        ("It costs $200.", "It costs 200.", "the unit of $200"),
        ("It rose by 15%.", "It rose by 15.", "the unit of 15%"),
        ("It took 10 years.", "It took 10 months.", "the unit of 10 years"),
        ("It is -5 °C.", "It is 5 °C.", "the number -5 °C"),
        ("A team went to Iqaluit.", "A team went to a town.", "the name Iqaluit"),
        ("Then Barack Obama met Michelle Obama.", "Barack Obama met her.", "the name Michelle Obama"),
        ("He works for NASA.", "He works in space.", "the name NASA"),
        ("He lives in the US.", "He told us.", "the name US"),
        ("They met on Monday.", "They met.", "the name Monday"),
        ("He saw the Canadian team.", "He saw the team.", "the name Canadian"),
        ("Barack Obama spoke.", "The president spoke.", "the name Barack Obama"),
        ("It does not work.", "It works.", "a negation (not)"),
        ("Nobody came.", "Everyone came.", "a negation (nobody)"),
        ("They can't do it.", "They can do it.", "a negation (can't)"),
        ("Call `cargo test` first.", "Call cargo first.", "the code `cargo test`"),
        ("See https://example.org/a.", "See the page.", "the address https://example.org/a"),
        ("Write to ann@example.org, please.", "Write to Ann.", "the address ann@example.org"),
    ] {
        assert_eq!(en(source, rewritten), [missing], "{source} / {rewritten}");
    }
    assert_eq!(en("Run:\n```sh\nls -l\n```", "Run:\n```\nls -l\n```"), Vec::<String>::new());
    assert_eq!(en("Run:\n```sh\nls -l\n```", "Run ls.").len(), 1);
}

#[test]
fn a_name_at_the_start_of_a_sentence_is_known_from_the_whole() {
    let whole = "A team flew to Iqaluit. Iqaluit is a town. Scientists went, too.";
    let whole = Facts::of(whole, Language::En);
    let source = Facts::within("Iqaluit is a town.", &whole, Language::En);
    assert_eq!(source.words(), ["Iqaluit"]);
    assert!(Facts::within("Scientists went, too.", &whole, Language::En).is_empty());
    assert_eq!(lost(&source, &Facts::of("It is a town.", Language::En)), ["the name Iqaluit"]);
    assert!(lost(&source, &Facts::of("The town is Iqaluit.", Language::En)).is_empty());
}

#[test]
fn what_is_added_is_named() {
    let source = "Mr Obama met 12 people from Canada in South Korea. Paris and Rome were glad.";
    assert_eq!(new(source, "Obama met twelve Canadians. They liked Paris."), Vec::<String>::new());
    assert_eq!(new(source, "He met 13 people in London."), ["the number 13", "the name London"]);
    assert_eq!(new(source, "He went to North Korea."), ["the name North Korea"]);
    assert_eq!(new(source, "Two people were glad. One was not."), ["the number Two"]);
    let union = "The European Union and the US agreed on COVID-19 on 5/6/2014.";
    assert_eq!(new(union, "The EU and the US agreed on Covid on 5 June 2014."), Vec::<String>::new());
    assert_eq!(new("The UN agreed.", "The United Nations agreed."), Vec::<String>::new());
    assert_eq!(new("It is big.", "So it is big. However, Big things are heavy."), Vec::<String>::new());
}

#[test]
fn added_negations_are_seen() {
    assert!(denies("It works.", "It does not work."));
    assert!(denies("It is an important university.", "It is not a university."));
    assert!(!denies("It is unable to work.", "It cannot work."));
    assert!(!denies("Few people came.", "Not many people came."));
    assert!(!denies("It is too hot to eat.", "It is so hot that you cannot eat it."));
    assert!(!denies("The homeless man slept.", "The man who has no home slept."));
    assert!(!denies("It is illegal.", "It is not allowed."));
    assert!(!denies("He refused.", "He said no."));
    assert!(!denies("It works.", "It works not only here."));
}

#[test]
fn facts_are_named_in_order() {
    let text = "The town of 7,000 people, Iqaluit, paid $200 for 5 km of `wire` in July 2013, and not to Iqaluit.";
    let words = ["7,000 people", "Iqaluit", "$200", "5 km", "wire", "July", "2013"];
    assert_eq!(Facts::of(text, Language::En).words(), words);
    assert!(Facts::of("It is a fine day.", Language::En).is_empty());
    assert!(!Facts::of("It is not a fine day.", Language::En).is_empty());
    assert!(Facts::of("", Language::En).is_empty());
}

#[test]
fn chinese_is_read_by_its_marks() {
    let source = "2013年，王小明先生在北京大学花了3500元买《红楼梦》，没有发票，走了三十公里。";
    let same = "王小明在北大（北京大学）上学。2013年他花3500元买了《红楼梦》，没有发票，走了30公里。";
    assert_eq!(zh(source, same), Vec::<String>::new());
    for (from, to, missing) in [
        ("3500", "350", "the number 3500元"),
        ("3500元", "3500美元", "the unit of 3500元"),
        ("王小明", "他", "the name 王小明"),
        ("红楼梦", "一本书", "the name 红楼梦"),
        ("没有", "有", "a negation (没)"),
        ("30公里", "很远", "the number 三十公里"),
        ("2013年", "后来", "the number 2013年"),
    ] {
        assert_eq!(zh(source, &same.replace(from, to)), [missing], "{from}");
    }
    for (source, same) in [
        ("中国有14亿人口。", "有1400000000人住在中国。"),
        ("百分之三十的人", "30%的人"),
        ("他花了两百万元。", "他用了200万元。"),
        ("这是一个非常大的城市。", "这座城市很大。"),
        ("浙江省的人口很多。", "浙江有很多人。"),
        ("美国前总统巴拉克·奥巴马来了。", "奥巴马从美国来了。"),
        ("他参观了北京大学。", "他去看北京大学。"),
        ("他万万没有想到会失败。", "他没想到会失败。"),
        ("十几个人，几十年，千万不要怕。", "一些人，很多年，不要怕。"),
        ("张伟教授在上海。", "张教授在上海。"),
        ("三分之一的学生", "一部分学生"),
        ("二〇一三年五月三日", "2013年5月3日"),
    ] {
        assert_eq!(zh(source, same), Vec::<String>::new(), "{source} / {same}");
    }
    let facts = |text| Facts::of(text, Language::Zh);
    assert_eq!(added(&facts("中国有很多人。"), &facts("中国和日本有14亿人。")), ["the number 14亿", "the name 日本"]);
    assert!(negation_added(&facts("他来了。"), &facts("他没来。")));
    assert!(!negation_added(&facts("他很特别，和别人不同。"), &facts("他不像别人。")));
    assert!(!negation_added(&facts("他来了。"), &facts("他不仅来了，还非常高兴。")));
}

#[test]
fn any_text_can_be_read() {
    for text in [
        "…",
        "1",
        "-",
        "$",
        "£ £",
        "US$",
        "5 ",
        "and a half",
        "U.S.",
        "`",
        "```",
        "百分之",
        "万亿",
        "“”",
        "１２３",
        "9".repeat(60).as_str(),
    ] {
        for language in [Language::En, Language::Zh] {
            let facts = Facts::of(text, language);
            assert!(lost(&facts, &facts).is_empty(), "{text}");
            assert!(added(&facts, &facts).is_empty(), "{text}");
        }
    }
}
