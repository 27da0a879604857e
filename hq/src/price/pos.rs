//! What the tills take: a file that the point-of-sale system exports.
//!
//! CSV in UTF-8 or GB18030; the first line names the columns: `store`, `price`, and `item` or `gtin` (or both;
//! then the item counts). `currency` may be there too; without it the price is in that of the item's price.
//! Other columns are passed over.

use super::table;
use std::collections::BTreeMap;
use storewarden_prices::{Currency, Gtin};

/// Faults told at once.
const FAULTS_MAX: usize = 20;

/// What a till takes for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Till {
    /// By its code; empty if only the GTIN is given.
    pub(crate) item: String,
    /// By its bar code.
    pub(crate) gtin: Option<Gtin>,
    /// As the file has it.
    pub(crate) price: String,
    /// If the file says.
    pub(crate) currency: Option<Currency>,
}

/// The tills of each store; or up to twenty things that are wrong with the file, each with its line.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Vec<Till>>, Vec<String>> {
    let text = table::text(bytes).ok_or_else(|| vec!["it is neither UTF-8 nor GB18030".to_owned()])?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| vec![error.to_string()])?.clone();
    let column = |name: &str| header.iter().position(|known| known.eq_ignore_ascii_case(name));
    let (Some(store), Some(price)) = (column("store"), column("price")) else {
        return Err(vec!["line 1: the columns store and price are needed, and item or gtin".into()]);
    };
    let (item, gtin, currency) = (column("item").or(column("sku")), column("gtin"), column("currency"));
    if item.is_none() && gtin.is_none() {
        return Err(vec!["line 1: a column item or gtin is needed".into()]);
    }
    let mut tills: BTreeMap<String, Vec<Till>> = BTreeMap::new();
    let mut faults = Vec::new();
    for record in reader.records() {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(error.to_string());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let get = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or_default();
        let code = get(currency);
        let currency = Currency::from_code(code);
        if currency.is_none() && !code.is_empty() {
            faults.push(format!("line {line}: currency `{code}` is not known; write CNY, EUR, JPY or USD"));
            continue;
        }
        let gtin = match get(gtin) {
            "" => None,
            digits => match Gtin::parse(digits) {
                Ok(gtin) => Some(gtin),
                Err(error) => {
                    faults.push(format!("line {line}: {error}"));
                    continue;
                }
            },
        };
        let (item, price) = (get(item).to_owned(), get(Some(price)).to_owned());
        if item.is_empty() && gtin.is_none() {
            faults.push(format!("line {line}: neither item nor gtin"));
            continue;
        }
        tills.entry(get(Some(store)).to_owned()).or_default().push(Till { item, gtin, price, currency });
    }
    if faults.is_empty() { Ok(tills) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_its_columns_and_faults_have_their_lines() {
        let file =
            "Store,SKU,name,Price,currency\n0042,10001,水,2.00,CNY\n0042,10002,x,3,\n0043,10001,水,2.10,\n";
        let tills = read(file.as_bytes()).unwrap();
        assert_eq!((tills["0042"].len(), tills["0043"].len()), (2, 1));
        assert_eq!(
            (tills["0042"][0].item.as_str(), tills["0042"][0].currency),
            ("10001", Some(Currency::Cny))
        );
        let by_gtin = read(b"store,gtin,price\n0042,6921168509256,2.00\n").unwrap();
        assert_eq!(by_gtin["0042"][0].gtin, Gtin::parse("6921168509256").ok());
        let chinese = encoding_rs::GB18030.encode("store,item,price,name\n0042,水,2.00,农夫\n").0;
        assert_eq!(read(&chinese).unwrap()["0042"][0].item, "水");
        for (file, why) in [
            ("shop,price\n", "store and price are needed"),
            ("store,price\n", "item or gtin is needed"),
            ("store,item,price\n0042,,2\n", "line 2: neither"),
            ("store,gtin,price\n0042,6921168509255,2\n", "line 2: "),
            ("store,item,price,currency\n0042,a,2,RMB\n", "line 2: currency `RMB`"),
        ] {
            let faults = read(file.as_bytes()).unwrap_err();
            assert!(faults[0].contains(why), "{faults:?}");
        }
    }
}
