// runner/views/cell_table.hpp: the sketches of a feed's cells in the store (Table::cells,
// docs/formats/store.md).
//
// The engine's records hold fingerprints; here is what they are of. Of each cell two rows at most: the sketch
// that was emitted last, and the newest observed one, unless that is the same.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/model/blob.hpp"
#include "engine/model/time.hpp"
#include "engine/plan/ranges.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

using CellKey = std::pair<engine::Time, engine::SeriesNumber>;

struct FeedName {
  std::string tenant;
  std::string id;
};

void put_observed(WriteBatch& batch, const FeedName& feed, const engine::CellBlob& cell);
/// Also the newest that was observed: an engine emits nothing else.
void put_emitted(WriteBatch& batch, const FeedName& feed, const CellKey& cell, const engine::Blob& sketch);
void erase_cells_before(WriteBatch& batch, const FeedName& feed, engine::Time bucket);

/// The buckets of which everything was said: Table::meta.
void put_said(WriteBatch& batch, const FeedName& feed, const engine::Ranges& said);

struct StoredCells {
  std::map<CellKey, engine::Blob> observed;  // where it is not what was emitted
  std::map<CellKey, engine::Blob> emitted;
  engine::Ranges said;
};
/// `corrupt`: a row that nobody wrote.
[[nodiscard]] engine::Result<StoredCells> load_cells(const ReadTransaction& view, const FeedName& feed);

/// Ids of the feeds that the store has something of.
[[nodiscard]] std::vector<std::string> stored_feeds(const ReadTransaction& view, const std::string& tenant);
/// Everything of these feeds but the texts of their series.
void erase_feeds(const ReadTransaction& view, std::span<const FeedName> feeds, WriteBatch& batch);

}  // namespace settle::runner
