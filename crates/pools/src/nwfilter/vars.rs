//! Variables of filters: lists of values, how attributes name them, and how several lists are
//! gone through together.
//!
//! Owns: names, values, iteration. Never: knows what a value is for.

use std::collections::BTreeMap;
use std::fmt;

use ostler_base::{Error, Origin, Result};
use ostler_xml::{El, Element};

/// Most values of a variable, so that a rule cannot become without bound.
const MAX_VALUES: usize = 4096;
/// Most rules that one rule may become.
pub(crate) const MAX_COMBINATIONS: usize = 65_536;

/// Variables and their values, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables(BTreeMap<String, Vec<String>>);

impl Variables {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: &str) {
        let values = self.0.entry(name.to_owned()).or_default();
        if values.len() < MAX_VALUES {
            values.push(value.to_owned());
        }
    }

    /// Gives a variable one value, whatever it had.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), vec![value.to_owned()]);
    }

    /// The values of a variable.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These, and those of `others` that are not among them.
    pub fn or(&self, others: &Variables) -> Variables {
        let mut all = others.0.clone();
        all.extend(self.0.iter().map(|(name, values)| (name.clone(), values.clone())));
        Variables(all)
    }

    /// Reads the elements `<parameter>`; those that are no parameters are passed over.
    pub(crate) fn parse(el: &Element<'_>) -> Self {
        let mut variables = Variables::new();
        for parameter in el.children("parameter") {
            if let (Some(name), Some(value)) = (parameter.attr("name"), parameter.attr("value"))
                && is_name(name)
                && is_value(value)
            {
                variables.add(name, value);
            }
        }
        variables
    }

    /// The elements `<parameter>`, by name.
    pub(crate) fn to_els(&self) -> impl Iterator<Item = El> {
        self.0.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| El::new("parameter").attr("name", name).attr("value", value))
        })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:".contains(&b))
}

/// How an attribute names a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarAccess {
    /// The variable.
    pub name: String,
    /// Which of its values.
    pub index: VarIndex,
}

/// Which value of a variable is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VarIndex {
    /// One, from 0.
    Element(u32),
    /// One after the other, in step with all variables of the same number.
    Iterator(u32),
}

impl VarAccess {
    /// Reads `$NAME`, `$NAME[3]` or `$NAME[@1]`; spaces around numbers and at the end are allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('$')?;
        let end = text.bytes().position(|b| !is_name_byte(b)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let rest = rest.trim_end_matches(' ');
        let index = match rest.strip_prefix('[') {
            None if rest.is_empty() => VarIndex::Iterator(0),
            None => return None,
            Some(rest) => {
                let inside = rest.strip_suffix(']')?.trim_matches(' ');
                match inside.strip_prefix('@') {
                    Some(number) => VarIndex::Iterator(parse_index(number)?),
                    None => VarIndex::Element(parse_index(inside)?),
                }
            }
        };
        Some(VarAccess { name: name.to_owned(), index })
    }
}

fn parse_index(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl fmt::Display for VarAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            VarIndex::Iterator(0) => write!(f, "${}", self.name),
            VarIndex::Iterator(number) => write!(f, "${}[@{number}]", self.name),
            VarIndex::Element(number) => write!(f, "${}[{number}]", self.name),
        }
    }
}

/// A value for each access of a rule, in the order of the accesses.
pub type Combination = Vec<String>;

/// All combinations of values that a rule with these accesses stands for: variables with the same
/// iterator are gone through in step, iterators one within the other, the first one fastest. A
/// combination that an iterator gave before is passed over.
pub fn combinations(accesses: &[&VarAccess], variables: &Variables) -> Result<Vec<Combination>> {
    let mut iterators: Vec<Iteration> = Vec::new();
    for access in accesses {
        let values = variables.get(&access.name);
        let values =
            values.ok_or_else(|| fault(format!("Could not find value for variable '{}'", access.name)))?;
        match access.index {
            VarIndex::Element(number) => {
                let number = usize::try_from(number).unwrap_or(usize::MAX);
                if number >= values.len() {
                    return Err(fault(format!("Could not get value for variable '{access}'")));
                }
            }
            VarIndex::Iterator(number) => match iterators.iter_mut().find(|i| i.number == number) {
                Some(iteration) => iteration.join(access, values)?,
                None => iterators.push(Iteration::new(number, access, values)),
            },
        }
    }
    let steps: Vec<Vec<usize>> = iterators.iter().map(|i| i.steps(variables)).collect();
    let total = steps.iter().try_fold(1usize, |product, list| product.checked_mul(list.len()));
    let total = total.filter(|total| *total <= MAX_COMBINATIONS);
    let total = total.ok_or_else(|| fault("too many combinations of variables".to_owned()))?;
    Ok((0..total).map(|turn| combination(turn, accesses, variables, &iterators, &steps)).collect())
}

fn combination(
    mut turn: usize,
    accesses: &[&VarAccess],
    variables: &Variables,
    iterators: &[Iteration],
    steps: &[Vec<usize>],
) -> Combination {
    let mut places = Vec::new();
    for list in steps {
        places.push(list[turn % list.len()]);
        turn /= list.len();
    }
    let place = |index: VarIndex| match index {
        VarIndex::Element(number) => usize::try_from(number).unwrap_or(usize::MAX),
        VarIndex::Iterator(number) => {
            iterators.iter().position(|i| i.number == number).map_or(0, |at| places[at])
        }
    };
    accesses
        .iter()
        .map(|access| {
            let values = variables.get(&access.name).unwrap_or_default();
            values.get(place(access.index)).cloned().unwrap_or_default()
        })
        .collect()
}

/// Variables that are gone through in step.
struct Iteration {
    number: u32,
    names: Vec<String>,
    length: usize,
}

impl Iteration {
    fn new(number: u32, access: &VarAccess, values: &[String]) -> Self {
        Iteration { number, names: vec![access.name.clone()], length: values.len() }
    }

    fn join(&mut self, access: &VarAccess, values: &[String]) -> Result<()> {
        if values.len() != self.length {
            return Err(fault(
                "Cardinality of list items must be the same for processing them in parallel".to_owned(),
            ));
        }
        if !self.names.contains(&access.name) {
            self.names.push(access.name.clone());
        }
        Ok(())
    }

    /// The places to stop at: each that differs from every earlier one in some variable.
    fn steps(&self, variables: &Variables) -> Vec<usize> {
        let mut seen = std::collections::HashSet::new();
        let at = |place: usize| -> Vec<&str> {
            let value =
                |name: &String| variables.get(name).and_then(|values| values.get(place)).map(String::as_str);
            self.names.iter().map(|name| value(name).unwrap_or_default()).collect()
        };
        (0..self.length).filter(|place| seen.insert(at(*place))).collect()
    }
}

fn fault(words: String) -> Error {
    Error::internal(words).from_origin(Origin::Nwfilter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::new();
        for (name, values) in [("A", "1,2,3,3"), ("B", "80,90,80,80"), ("C", "x,y")] {
            values.split(',').for_each(|value| variables.add(name, value));
        }
        variables
    }

    fn all(accesses: &[&str]) -> Result<Vec<String>> {
        let parsed: Vec<VarAccess> = accesses.iter().map(|a| VarAccess::parse(a).unwrap()).collect();
        let refs: Vec<&VarAccess> = parsed.iter().collect();
        combinations(&refs, &variables()).map(|all| all.iter().map(|c| c.join(" ")).collect())
    }

    #[test]
    fn accesses() {
        for (text, shown) in
            [("$A[ 0] ", "$A[0]"), ("$A[  @0 ]", "$A"), ("$A[@2]", "$A[@2]"), ("$A", "$A"), ("$", "$")]
        {
            assert_eq!(VarAccess::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["A", "$a-b", "$A[x]", "$A[1", "$A[-1]", "$A[]"] {
            assert_eq!(VarAccess::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn in_step_and_within_each_other() {
        assert_eq!(all(&["$A", "$B"]).unwrap(), ["1 80", "2 90", "3 80"]);
        assert_eq!(all(&["$A[1]", "$B"]).unwrap(), ["2 80", "2 90"]);
        assert_eq!(all(&["$C[@1]", "$B[@2]"]).unwrap(), ["x 80", "y 80", "x 90", "y 90"]);
        assert_eq!(all(&[]).unwrap(), [""]);
        assert!(all(&["$A", "$C"]).is_err());
        assert!(all(&["$Z"]).is_err());
        assert!(all(&["$C[2]"]).is_err());
    }
}
