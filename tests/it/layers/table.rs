//! The table of rooms in lib.rs, and whether the files follow it. Must not know: how uses are found.

use std::collections::BTreeSet;

use super::graph::{Graph, House, within};

/// A row: `//! | 5 | `proxy::listener` | its one task | what it may use |`.
struct Row {
    floor: u32,
    room: String,
    task: String,
    may_use: Vec<String>,
}

/// The number of rows, and every fault: of the table itself, and of the uses that it does not allow.
pub(super) fn faults(house: &House, uses: &Graph) -> (usize, Vec<String>) {
    let rows = rows(&house.front);
    let mut faults = faults_of(&rows);
    let room = |file: &str| {
        let rooms = rows.iter().enumerate().filter(|(_, row)| within(file, &row.room));
        rooms.max_by_key(|(_, row)| row.room.len()).map(|(at, _)| at)
    };
    let homeless = house.rooms().filter(|file| room(file).is_none());
    faults.extend(homeless.map(|file| format!("{file} has no row in the table")));
    let lived_in: BTreeSet<usize> = house.rooms().filter_map(room).collect();
    let empty = rows.iter().enumerate().filter(|(at, _)| !lived_in.contains(at));
    faults.extend(empty.map(|(_, row)| format!("{} has a row in the table and no file", row.room)));

    let mut needed = BTreeSet::new();
    for (file, used) in uses.iter().flat_map(|(file, used)| used.iter().map(move |used| (file, used))) {
        let (Some(own), Some(other)) = (room(file), room(used)) else { continue };
        if own == other {
            continue;
        }
        let (own_row, other_row) = (&rows[own], &rows[other]);
        let allowing: Vec<_> = own_row.may_use.iter().filter(|entry| within(&other_row.room, entry)).collect();
        if allowing.is_empty() {
            faults.push(format!("{file} uses {used}, and {} may not use {}", own_row.room, other_row.room));
        }
        if other < own {
            faults.push(format!("{file} uses {used}, which runs up: {} is above {}", other_row.room, own_row.room));
        }
        needed.extend(allowing.into_iter().map(|entry| (own, entry)));
    }
    for (at, row) in rows.iter().enumerate() {
        let idle = row.may_use.iter().filter(|entry| !needed.contains(&(at, entry)));
        faults.extend(idle.map(|entry| format!("{} may use {entry}, and does not", row.room)));
    }
    (rows.len(), faults)
}

/// The faults of the rows as such.
fn faults_of(rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rooms = BTreeSet::new();
    for row in rows {
        if !rooms.insert(&row.room) {
            faults.push(format!("{} has two rows", row.room));
        }
        if row.task.is_empty() {
            faults.push(format!("{} has no task", row.room));
        }
        for entry in &row.may_use {
            if !rows.iter().any(|other| within(&other.room, entry)) {
                faults.push(format!("{} may use {entry}, which is no room", row.room));
            }
        }
    }
    for pair in rows.windows(2) {
        if pair[1].floor > pair[0].floor {
            faults.push(format!("{} is below {} in the table, and on a higher floor", pair[1].room, pair[0].room));
        }
    }
    faults
}

fn rows(front: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in front.lines().filter_map(|line| line.strip_prefix("//!")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, floor, room, task, may_use, _] = cells[..]
            && let Ok(floor) = floor.parse()
        {
            let may_use = may_use.split(", ").filter(|name| *name != "–").map(str::to_owned).collect();
            rows.push(Row { floor, room: room.trim_matches('`').to_owned(), task: task.to_owned(), may_use });
        }
    }
    rows
}
