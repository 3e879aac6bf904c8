//! Words that decide what a capital means.

use std::{collections::HashSet, sync::OnceLock};

/// A list of words, split and hashed when it is first asked.
pub(super) struct List {
    words: &'static str,
    set: OnceLock<HashSet<&'static str>>,
}

impl List {
    pub(super) const fn new(words: &'static str) -> Self {
        Self { words, set: OnceLock::new() }
    }

    pub(super) fn contains(&self, word: &str) -> bool {
        self.set.get_or_init(|| self.words.split_whitespace().collect()).contains(word)
    }
}

/// Words that begin sentences, or stand in capitals for other reasons, and are no names.
pub(super) static OPENERS: List = List::new(
    "a about above according after again all almost along already also although always among an and another any \
     anyone are around as at away back be because before behind being below between both but by can could critics \
     despite did do does down during each earlier either even every everyone everything experts few finally first for \
     former from get give go had has have he her here his how however i if in indeed inside instead into is it its \
     just last later let like local look make many maybe meanwhile men moreover more most much my near nearly neither \
     never next no nobody none nor not nothing now of off officials often old on once one only or other others our \
     out outside over people perhaps please police put rather recently researchers say scientists second see several \
     she should similarly since so some somebody someone something sometimes soon still such take than thanks that \
     the their them then there therefore these they third this those though through throughout thus to today together \
     tomorrow tonight too two three four five six seven eight nine ten under unlike until up use usually very was we \
     well were what when where whether which while who whose why will with within without women would yes yesterday \
     yet you your true false dear ok hundreds thousands millions",
);

/// Titles and roles before a person's name, folded: they part names and belong to none.
pub(super) static TITLES: List = List::new(
    "mr mrs ms miss dr doctor prof professor sir dame lord lady president vice-president vice prime minister \
     chancellor secretary senator congressman governor mayor king queen prince princess duke duchess emperor pope \
     archbishop bishop father sister brother captain general colonel major sergeant lieutenant admiral judge justice \
     chief executive director chairman chairwoman chair coach saint rev reverend sheikh sultan councillor ambassador \
     detective inspector officer mum dad mom mother uncle aunt grandma grandpa madam",
);

/// Other words with capitals that a rewording may say in another way, folded.
pub(super) static IGNORED: List = List::new(
    "internet web website net tv ceo cfo mp phd am pm eg ie ok dvd cd pc id bc ad bce ce pr vs etc faq diy god earth \
     sun moon it i'm km kg nb ps no",
);

/// Words for kinds of places and institutions, folded: they tell no name apart.
pub(super) static GENERIC: List = List::new(
    "academy act agency airline airport army art assembly association authority avenue award bank bay board bridge \
     building bureau canal castle cathedral center centre century championship church city club coast college \
     commission committee community company conference congress constitution corp corporation council country county \
     court cup day department desert district division empire exchange fall federation festival force forest forum \
     foundation fund garden government group hall hill hospital hotel house human inc industry initiative institute \
     institution island journal kingdom laboratory lake law league library limited line ltd magazine market ministry \
     mission mosque mount mountain movement museum nation navy network new news newspaper ocean office old order \
     organisation organization palace park parliament party peninsula plc police port press prize programme program \
     project province region republic river road school sea senate service society square st state station street \
     studio survey system team temple territory theatre theater tower town treaty trust union university valley \
     village war way world zoo ii iii iv vi vii viii xiv",
);

/// Words that tell names apart ("North Korea") but are in too many texts to stand for one.
pub(super) static DIRECTIONS: List = List::new(
    "north south east west northern southern eastern western central great upper lower united royal national \
     international world global american british european african asian supreme high federal public general big \
     little black white red green blue golden middle los san la saint free first second",
);

/// Words in small letters inside of names.
pub(super) const PARTICLES: &[&str] =
    &["de", "van", "von", "der", "den", "bin", "al", "el", "la", "du", "di", "da", "dos", "del", "ter"];

/// Folded words that name the same place or its people, where their roots differ.
pub(super) const ALIASES: &[&[&str]] = &[
    &["us", "usa", "america", "american", "state"],
    &["uk", "britain", "british", "briton", "kingdom", "england", "english"],
    &["france", "french", "frenchman"],
    &["spain", "spanish", "spaniard"],
    &["netherland", "dutch", "holland"],
    &["switzerland", "swiss"],
    &["poland", "polish", "pole"],
    &["wale", "welsh"],
    &["ireland", "irish"],
    &["denmark", "danish", "dane"],
    &["sweden", "swedish", "swede"],
    &["turkey", "turkish", "turk", "turkiye"],
    &["greece", "greek"],
    &["philippine", "filipino"],
    &["thailand", "thai"],
    &["scotland", "scottish", "scot"],
    &["finland", "finnish", "finn"],
    &["norway", "norwegian"],
    &["sept", "sep", "september"],
    &["jan", "january"],
    &["feb", "february"],
    &["aug", "august"],
    &["oct", "october"],
    &["nov", "november"],
    &["dec", "december"],
    &["mon", "monday"],
    &["tue", "tuesday"],
    &["wed", "wednesday"],
    &["thu", "thursday"],
    &["fri", "friday"],
    &["sat", "saturday"],
    &["sun", "sunday"],
];

/// Whether a folded word is a day of the week or a month.
pub(super) fn is_date(word: &str) -> bool {
    static DATES: List = List::new(
        "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august \
         september october november december jan feb aug sept sep oct nov dec",
    );
    DATES.contains(word)
}
