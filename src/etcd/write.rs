//! Changes: transactions, whose answer may be lost; and many values or keys at once, within etcd's limits. Must not know:
//! what keys and values mean.

use hyper::body::Bytes;

use super::answer;
use super::call::{Call, Fault};
use super::client::Etcd;
use super::exchange::SMALL;
use super::message::{
    Compare, DeleteRequest, MOST_OPERATIONS, Operation, PlainResponse, PutRequest, TxnRequest, TxnResponse,
};
use super::trouble::Trouble;
use super::value::{Blob, Int};
use crate::fleet::store::{Change, Revision, Transaction, Written};

impl Etcd {
    /// A trouble is only returned if nothing was written and nothing will be; otherwise [`Written::Unknown`].
    pub async fn write(&self, transaction: &Transaction) -> Result<Written, Trouble> {
        let body = self.0.written(&self.request(transaction))?;
        bounded(&body, transaction.then.len().max(transaction.when.len()))?;
        let call = Call { may_repeat: false, ..self.to_write() };
        match self.0.ask(call, body, |body| answer::written(&body)).await {
            // What an answer says counts, also if it comes from a store that was restored: who reads or watches finds that out.
            Ok((_, (written, header))) => {
                self.0.history.note(&header);
                Ok(written)
            }
            Err(Fault::Unknown(why)) => {
                tracing::debug!(%why, "the answer to a transaction was lost");
                Ok(Written::Unknown)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Puts values without a condition, in as few transactions as etcd's limits allow, in this order.
    pub async fn put(&self, values: Vec<(String, Vec<u8>)>) -> Result<(), Trouble> {
        for then in batches(values)? {
            let request = self.request(&Transaction { when: Vec::new(), then });
            let _: TxnResponse = self.0.call(self.to_write(), &request).await?;
        }
        Ok(())
    }

    /// The same as long as these keys have these revisions; `false` if they do not have them any more: then some of the
    /// values may have been put.
    pub async fn put_while(
        &self,
        when: &[(String, Revision)],
        values: Vec<(String, Vec<u8>)>,
    ) -> Result<bool, Trouble> {
        for then in batches(values)? {
            let transaction = Transaction { when: when.to_vec(), then };
            let mut attempt = 1;
            loop {
                match self.write(&transaction).await? {
                    Written::Done(_) => break,
                    Written::Refused => return Ok(false),
                    Written::Unknown if attempt < ATTEMPTS => attempt += 1,
                    Written::Unknown => {
                        return Err(Trouble::Unreachable("etcd has not answered to what was written".into()));
                    }
                }
            }
        }
        Ok(true)
    }

    /// Deletes keys, any number.
    pub async fn delete(&self, keys: &[String]) -> Result<(), Trouble> {
        for some in keys.chunks(MOST_OPERATIONS) {
            let then = some.iter().map(|key| Change::Delete { key: key.clone() }).collect();
            let request = self.request(&Transaction { when: Vec::new(), then });
            match self.0.call::<TxnResponse>(self.to_write(), &request).await {
                Ok(_) => {}
                // A member whose database is full refuses every transaction, and must be able to get rid of something.
                Err(Fault::NoSpace(_)) => self.delete_one_by_one(some).await?,
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    async fn delete_one_by_one(&self, keys: &[String]) -> Result<(), Fault> {
        let call = Call { path: "/v3/kv/deleterange", what: "delete", ..self.to_write() };
        for key in keys {
            let _: PlainResponse = self.0.call(call, &DeleteRequest { key: Blob(self.full(key)) }).await?;
        }
        Ok(())
    }

    fn request(&self, transaction: &Transaction) -> TxnRequest {
        let compare = |(key, revision): &(String, Revision)| Compare {
            target: "MOD",
            result: "EQUAL",
            key: Blob(self.full(key)),
            mod_revision: Int(*revision),
        };
        let operation = |change: &Change| match change {
            Change::Put { key, value, lease } => Operation::Put(PutRequest {
                key: Blob(self.full(key)),
                value: Blob(value.clone()),
                lease: Int(lease.unwrap_or_default()),
            }),
            Change::Delete { key } => Operation::Delete(DeleteRequest { key: Blob(self.full(key)) }),
        };
        TxnRequest {
            compare: transaction.when.iter().map(compare).collect(),
            success: transaction.then.iter().map(operation).collect(),
        }
    }

    fn to_write(&self) -> Call<'static> {
        let limit = self.0.settings.timeout;
        Call { path: "/v3/kv/txn", what: "write", may_repeat: true, is_streamed: false, limit, most: SMALL }
    }
}

/// Cuts values into what fits into one transaction each.
fn batches(values: Vec<(String, Vec<u8>)>) -> Result<Vec<Vec<Change>>, Trouble> {
    let (mut batches, mut last, mut size) = (Vec::new(), Vec::new(), 0);
    for (key, value) in values {
        let own = (key.len() + value.len()) * 4 / 3 + OVERHEAD;
        if own > MOST_BYTES {
            let found = value.len();
            return Err(Trouble::Refused(format!("{key}: found {found} bytes, expected at most {}", LARGEST_VALUE)));
        }
        if size + own > MOST_BYTES || last.len() >= MOST_OPERATIONS {
            batches.push(std::mem::take(&mut last));
            size = 0;
        }
        size += own;
        last.push(Change::Put { key, value, lease: None });
    }
    if !last.is_empty() {
        batches.push(last);
    }
    Ok(batches)
}

fn bounded(body: &Bytes, operations: usize) -> Result<(), Trouble> {
    if body.len() > MOST_BYTES + MOST_BYTES / 8 || operations > MOST_OPERATIONS {
        let found = format!("found a transaction of {operations} operations and {} bytes", body.len());
        return Err(Trouble::Refused(format!("{found}, expected at most {MOST_OPERATIONS} and {MOST_BYTES}")));
    }
    Ok(())
}

/// etcd's limit is 1.5 MiB for a request (`--max-request-bytes`). In bytes of JSON.
const MOST_BYTES: usize = 1_000_000;

/// What fits into a request of its own, with a long key.
const LARGEST_VALUE: usize = 745_000;

/// Of a key and a value in JSON, beside both, with the prefix.
const OVERHEAD: usize = 512;

const ATTEMPTS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_and_the_limits() {
        let sizes = |values: &[usize]| {
            let values = values.iter().enumerate().map(|(at, size)| (format!("{at:04}"), vec![7; *size])).collect();
            batches(values).map(|batches| batches.iter().map(Vec::len).collect::<Vec<_>>())
        };
        assert!(sizes(&[]).unwrap().is_empty());
        assert_eq!(sizes(&[1; 300]).unwrap(), [128, 128, 44]);
        assert_eq!(sizes(&[256 * 1024 + 28; 5]).unwrap(), [2, 2, 1]);
        assert_eq!(sizes(&[LARGEST_VALUE, 10_000]).unwrap(), [1, 1]);
        assert!(sizes(&[LARGEST_VALUE + 10_000]).is_err());
        let all = batches((0..300).map(|at| (format!("{at:04}"), Vec::new())).collect()).unwrap();
        let keys: Vec<_> = all.into_iter().flatten().map(|change| format!("{change:?}")).collect();
        assert!(keys.is_sorted() && keys.len() == 300);
    }
}
