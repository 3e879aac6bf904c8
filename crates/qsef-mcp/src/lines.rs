//! Messages as lines of a bounded length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The most bytes of one message. A longer one is dropped, and the call that it answers fails.
pub(crate) const MAX_MESSAGE: usize = 16 << 20;

/// The next line of at most so many bytes; of a longer one its beginning, and the end of the rest. None at the end of the stream.
pub(crate) async fn line(from: &mut (impl AsyncBufRead + Unpin), most: usize) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut begin = Vec::new();
    let read = from.take(most as u64).read_until(b'\n', &mut begin).await.ok()?;
    if read == 0 {
        return None;
    }
    if read < most || begin.ends_with(b"\n") {
        return Some((begin, None));
    }
    let mut last = Vec::new();
    loop {
        let mut piece = Vec::new();
        let read = from.take(4096).read_until(b'\n', &mut piece).await.ok()?;
        let before = std::mem::replace(&mut last, piece);
        if read == 0 || last.ends_with(b"\n") {
            return Some((begin, Some([before, last].concat())));
        }
    }
}

/// The number of the call that a message answers, read at its beginning or its end, where servers write it.
pub(crate) fn id_of(begin: &[u8], end: &[u8]) -> Option<u64> {
    let text = |bytes: &[u8]| -> String { String::from_utf8_lossy(bytes).split_whitespace().collect() };
    let head = text(begin.get(..120).unwrap_or(begin));
    let rest = [r#"{"jsonrpc":"2.0","id":"#, r#"{"id":"#].iter().find_map(|start| head.strip_prefix(start));
    if let Some(rest) = rest {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse().ok();
    }
    let tail = text(end.get(end.len().saturating_sub(120)..).unwrap_or(end));
    let tail = tail.strip_suffix('}')?;
    let tail = tail.strip_suffix(r#","jsonrpc":"2.0""#).unwrap_or(tail);
    tail.rsplit_once(r#","id":"#)?.1.parse().ok()
}

/// The first characters of a text, without those that steer a terminal.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[test]
    fn the_call_of_a_long_answer_is_found_at_either_end() {
        let filler = "x".repeat(500);
        for (message, id) in [
            (format!(r#"{{"jsonrpc":"2.0","id":7,"result":"{filler}"}}"#), Some(7)),
            (format!(r#"{{"jsonrpc": "2.0", "id": 12, "result": "{filler}"}}"#), Some(12)),
            (format!("{{\"result\":\"{filler}\",\"jsonrpc\":\"2.0\",\"id\":3}}\n"), Some(3)),
            (format!(r#"{{"result":"{filler}","id":4,"jsonrpc":"2.0"}}"#), Some(4)),
            (format!(r#"{{"result":{{"text":"{filler}","id":"a"}}}}"#), None),
            (filler, None),
        ] {
            assert_eq!(id_of(message.as_bytes(), message.as_bytes()), id, "{message}");
        }
    }

    #[tokio::test]
    async fn lines_are_read_whole_or_by_their_ends() {
        let text = format!("short\n{}end\nlast", "y".repeat(20_000));
        let mut from = BufReader::new(text.as_bytes());
        assert_eq!(line(&mut from, 100).await, Some((b"short\n".to_vec(), None)));
        let (begin, end) = line(&mut from, 100).await.unwrap();
        assert!(begin.len() == 100 && end.unwrap().ends_with(b"yyend\n"));
        assert_eq!(line(&mut from, 100).await, Some((b"last".to_vec(), None)));
        assert_eq!(line(&mut from, 100).await, None);
    }
}
