use super::*;

fn scrubbed(text: &str) -> String {
    scrub(text).0.into_owned()
}

#[test]
fn what_names_a_person_or_opens_a_door_is_replaced() {
    // Keys are put together here, so that no scanner takes this file for a leak.
    let jwt = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N"].join(".");
    let github = format!("ghp_{}", "a1B2".repeat(9));
    let pem = format!("-----BEGIN RSA {0}-----\nMIIE\nabc=\n-----END RSA {0}-----", "PRIVATE KEY");
    for (text, mark) in [
        ("ann.lee+x@mail.example.org", "[EMAIL]"),
        ("+44 20 7946 0958", "[PHONE]"),
        ("+1 (212) 555-0123", "[PHONE]"),
        ("(212) 555-0123", "[PHONE]"),
        ("212-555-0123", "[PHONE]"),
        ("020 7946 0958", "[PHONE]"),
        ("13812345678", "[PHONE]"),
        ("+86 138-1234-5678", "[PHONE]"),
        ("010-12345678", "[PHONE]"),
        ("203.0.113.77", "[IP]"),
        ("2001:db8:85a3::8a2e:370:7334", "[IP]"),
        ("DE89 3704 0044 0532 0130 00", "[IBAN]"),
        ("GB82WEST12345698765432", "[IBAN]"),
        ("4111 1111 1111 1111", "[CARD]"),
        ("5500-0000-0000-0004", "[CARD]"),
        ("123-45-6789", "[SSN]"),
        ("11010519491231002X", "[ID]"),
        (&format!("AKIA{}", "IOSFODNN7EXAMPLE"), "[KEY]"),
        (&github, "[KEY]"),
        (&format!("xox{}", "b-123456789012-abcdefABCDEF"), "[KEY]"),
        (&format!("sk-{}", "proj-abcdefghijklmnop1234567890"), "[KEY]"),
        (&jwt, "[TOKEN]"),
        (&pem, "[PRIVATE_KEY]"),
    ] {
        assert_eq!(scrubbed(&format!("It is {text}, here.")), format!("It is {mark}, here."), "{text}");
        assert_eq!(scrubbed(&format!("是{text}。")), format!("是{mark}。"), "{text}");
        assert_eq!(scrub(text).1.iter().map(|(_, count)| count).sum::<usize>(), 1, "{text}");
    }
    assert_eq!(
        scrubbed("password: hunter2!x and api_key=\"Zx81aa92bb\""),
        "password: [SECRET] and api_key=\"[SECRET]\""
    );
    assert_eq!(scrubbed("DB_PASSWORD=S3cret!pass\n密码：abc12345"), "DB_PASSWORD=[SECRET]\n密码：[SECRET]");
}

#[test]
fn kinds_are_counted() {
    let (text, kinds) = scrub("a@b.org, c@d.org and 203.0.113.77 or 2001:db8:85a3::8a2e:370:7334");
    assert_eq!(text, "[EMAIL], [EMAIL] and [IP] or [IP]");
    assert_eq!(kinds, [("e-mail", 2), ("IP address", 2)]);
}

#[test]
fn other_numbers_and_words_stay() {
    for text in [
        "In 1999-2005 it rose from 1,234,567 to 12.345.678 people.",
        "On 2013-07-04 at 10:30:15 and on 04/07/2013.",
        "It cost $1,200,000.50 or 3500元, and 1234567890 in all.",
        "ISBN 978-3-16-148410-0, ISBN: 0-306-40615-2",
        "Version 10.0.19041.1 and v1.2.3.4 of it, at 127.0.0.1:8080",
        "The ratio is 3:1, and std::vec::Vec is a path; see a::b.",
        "3.14159265358979 and 6.02214076e23",
        "4111 1111 1111 1112 is no card.",
        "11010519491231002A and 110105194912310021",
        "A strong password: at least twelve letters. Password: please choose",
        "api_key = os.environ[\"API_KEY\"]; password = getpass.getpass()",
        "GB82 TEST 1234 5698 7654 32 is none.",
        "2013 200 5000 300 and 1 2 3 4 5 6 7",
        "人口是13亿，2013年7月4日，编号20130704。",
        "555 + 1234 = 1789, 100-200-300",
        "No data here at all",
    ] {
        assert!(matches!(scrub(text).0, Cow::Borrowed(_)), "{text} -> {}", scrubbed(text));
    }
}
