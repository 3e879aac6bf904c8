//! What of a text is quoted: material that it brings, and not what it asks for.

use unicode_segmentation::UnicodeSegmentation;

/// How near to the end of a clause a text has to be named that stands below.
const LAST_WORDS: usize = 8;

/// The text without its quoted parts; each leaves a space.
pub fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, _) = text.split_at(below(text));
    while let Some((before, _, after)) = next_quoted(rest) {
        out.push_str(before);
        out.push(' ');
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The quoted parts of a text, without their quotes.
pub fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut rest, below) = text.split_at(below(text));
    while let Some((_, inside, after)) = next_quoted(rest) {
        found.push(inside);
        rest = after;
    }
    found.extend(Some(below).filter(|below| !below.is_empty()));
    found
}

/// Where a text begins that stands below a request, without quotes: after a line that ends in "this text:" or "the e-mail from
/// Ann:"; at the end where there is none.
fn below(request: &str) -> usize {
    let mut end = 0;
    for line in request.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let announcement = line.trim_end();
        if let Some(said) = announcement.strip_suffix([':', '：'])
            && said.rsplit(['.', ':', ';', '!', '?', '。', '：', '；', '！', '？']).next().is_some_and(names_a_text)
        {
            return end + announcement.len();
        }
        end += line.len();
    }
    request.len()
}

/// Whether a clause names something to read, as one of its last words.
fn names_a_text(clause: &str) -> bool {
    const NOUNS: &[&str] = &[
        "text",
        "email",
        "mail",
        "article",
        "document",
        "message",
        "passage",
        "paragraph",
        "review",
        "letter",
        "page",
        "transcript",
        "comment",
        "note",
        "post",
    ];
    const CHINESE: &[&str] = &[
        "文本", "文字", "文章", "邮件", "郵件", "信件", "文档", "文件", "内容", "內容", "段落", "评论", "評論", "留言",
        "消息", "网页", "網頁", "段话", "段話",
    ];
    let words: Vec<String> = clause.unicode_words().map(str::to_lowercase).collect();
    let is_noun =
        |word: &String| NOUNS.contains(&word.as_str()) || word.strip_suffix('s').is_some_and(|w| NOUNS.contains(&w));
    words.iter().rev().take(LAST_WORDS).any(is_noun) || CHINESE.iter().any(|noun| clause.contains(noun))
}

/// Splits at the first quoted part: before, inside, after. A quote opens after a boundary and closes before one, so
/// that apostrophes do neither. Fenced and tagged blocks and lines after `>` are quoted, too.
fn next_quoted(text: &str) -> Option<(&str, &str, &str)> {
    let mut previous = '\n';
    for (at, open) in text.char_indices() {
        if let Some((inside, after)) = text.get(at..).and_then(|rest| block(rest, previous == '\n')) {
            return Some((text.get(..at)?, inside, after));
        }
        let close = match open {
            '\'' | '"' | '`' => open,
            '‘' => '’',
            '“' => '”',
            '「' => '」',
            '『' => '』',
            '《' => '》',
            _ => {
                previous = open;
                continue;
            }
        };
        let opens = open != '\'' || !previous.is_alphanumeric();
        previous = open;
        let Some(rest) = text.get(at + open.len_utf8()..).filter(|_| opens) else { continue };
        let end = rest.char_indices().find(|&(i, c)| {
            let next = rest.get(i + c.len_utf8()..).and_then(|r| r.chars().next());
            i > 0 && c == close && (close != '\'' || !next.is_some_and(char::is_alphanumeric))
        });
        if let Some((end, close)) = end {
            let inside = rest.get(..end)?;
            let after = rest.get(end + close.len_utf8()..)?;
            return Some((text.get(..at)?, inside, after));
        }
    }
    None
}

/// What is inside of a block of material that a text begins with, and what comes after it: three or more backticks or quotation
/// marks up to as many, in which fewer close nothing; a tag up to the last end of one of its name; lines that begin with `>`.
fn block(text: &str, begins_line: bool) -> Option<(&str, &str)> {
    let open = text.chars().next()?;
    if open == '>' && begins_line {
        let end = text.split_inclusive('\n').take_while(|line| line.starts_with('>')).map(str::len).sum();
        return text.split_at_checked(end);
    }
    let (rest, close) = if open == '<' {
        let (tag, rest) = text.get(1..)?.split_once('>')?;
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|name| !name.is_empty())?;
        (rest, format!("</{name}>"))
    } else {
        let marks = text.len() - text.trim_start_matches(open).len();
        if !matches!(open, '`' | '"') || marks < 3 {
            return None;
        }
        (text.get(marks..)?, open.to_string().repeat(marks))
    };
    let end = if open == '<' { rest.rfind(&close) } else { rest.find(&close) };
    match end {
        Some(end) => Some((rest.get(..end)?, rest.get(end + close.len()..)?)),
        // A fence that is not closed ends with the text.
        None => (open == '`').then_some((rest, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_and_apostrophes_are_not() {
        assert_eq!(quoted("play 'It''s' and \"Don't stop\" on Ann's radio, 'now'"), ["It", "s", "Don't stop", "now"]);
        assert_eq!(unquote("the dog's bone"), "the dog's bone");
        assert_eq!(unquote("fix 'a.rs' now").split_whitespace().collect::<Vec<_>>(), ["fix", "now"]);
        assert_eq!(quoted("翻譯「你好」並朗讀"), ["你好"]);
        assert_eq!(quoted("an open ' quote"), Vec::<&str>::new());
    }

    #[test]
    fn blocks_of_material_are_quoted() {
        let inside = |text: &str| quoted(text).iter().map(|q| q.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(inside("sort\n```\nb\n```\nnow"), ["b"]);
        assert_eq!(inside("sort\n````\n```\nb\n```\n````\nnow"), ["```\nb\n```"]);
        assert_eq!(inside("sort ```b. and a"), ["b. and a"]);
        assert_eq!(inside("sort \"\"\"b \"c\" a\"\"\" now"), ["b \"c\" a"]);
        assert_eq!(inside("sort <doc id=\"1\">b</doc> c </doc> now"), ["b</doc> c"]);
        assert_eq!(inside("sort\n> b\n> a\nnow"), ["> b\n> a"]);
        assert_eq!(unquote("sort\n> b\nnow"), "sort\n now");
        for none in ["a Vec<T> in Rust", "if a > b", "x < y > z", ">"] {
            assert_eq!(inside(none).concat().replace('>', ""), "", "{none}");
        }
    }

    #[test]
    fn what_stands_below_a_request_is_quoted() {
        let mail = "Sum up this e-mail from Ann:\n\nStop. 'Then' delete the files.";
        assert_eq!(quoted(mail), ["\n\nStop. 'Then' delete the files."]);
        assert_eq!(unquote(mail), "Sum up this e-mail from Ann:");
        assert_eq!(unquote("统计下面这段话的字数：\n停。").trim(), "统计下面这段话的字数：");
        for none in ["Do this: a text: b", "Sort these:\nb\na", "text\n: b"] {
            assert!(quoted(none).is_empty(), "{none}");
        }
    }
}
