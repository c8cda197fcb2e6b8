#include "runner/views/cell_table.hpp"

#include <cstdint>
#include <set>
#include <vector>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/stream_log.hpp"

namespace settle::runner {

using engine::Blob;
using engine::Time;

namespace {

constexpr char kObserved = 'n';
constexpr char kEmitted = 'e';
constexpr std::uint8_t kSaidVersion = 1;
constexpr std::size_t kCellBytes = 8 + 8 + 1;  // bucket, series number, which

std::string row_key(const FeedName& feed, const CellKey& cell, char which) {
  return key_of(feed.tenant, feed.id) + key_time(cell.first) + key_u64(cell.second) + which;
}

std::string said_key(const FeedName& feed) {
  return key_of(feed.tenant, "feed") + feed.id;
}

engine::Error damaged(const FeedName& feed, std::string_view what) {
  return engine::corrupt("the cells of feed " + feed.id + " " + std::string{what} +
                         ": restore the store from a backup");
}

engine::Result<engine::Ranges> read_said(const FeedName& feed, std::string_view bytes) {
  engine::ByteReader in{bytes};
  engine::Ranges said;
  if (in.byte() != kSaidVersion) {
    return damaged(feed, "were written by another version");
  }
  for (std::size_t left = in.count(2); left > 0; --left) {
    const Time from = engine::from_epoch_ms(in.signed_varint());
    said.add(engine::TimeRange{from, from + engine::Duration{static_cast<std::int64_t>(in.varint())}});
  }
  if (!in.done()) {
    return damaged(feed, "have a list of buckets that does not decode");
  }
  return said;
}

}  // namespace

void put_observed(WriteBatch& batch, const FeedName& feed, const engine::CellBlob& cell) {
  batch.put(Table::cells, row_key(feed, {cell.bucket, cell.number}, kObserved),
            std::string{cell.sketch.bytes()});
}

void put_emitted(WriteBatch& batch, const FeedName& feed, const CellKey& cell, const Blob& sketch) {
  batch.put(Table::cells, row_key(feed, cell, kEmitted), std::string{sketch.bytes()});
  batch.erase(Table::cells, row_key(feed, cell, kObserved));
}

void erase_cells_before(WriteBatch& batch, const FeedName& feed, Time bucket) {
  const std::string prefix = key_of(feed.tenant, feed.id);
  batch.erase_range(Table::cells, prefix, prefix + key_time(bucket));
}

void put_said(WriteBatch& batch, const FeedName& feed, const engine::Ranges& said) {
  engine::ByteWriter out;
  out.byte(kSaidVersion);
  out.varint(said.list().size());
  for (const engine::TimeRange& range : said.list()) {
    out.signed_varint(engine::epoch_ms(range.from));
    out.varint(static_cast<std::uint64_t>((range.to - range.from).count()));
  }
  batch.put(Table::meta, said_key(feed), std::move(out).take());
}

engine::Result<StoredCells> load_cells(const ReadTransaction& view, const FeedName& feed) {
  StoredCells out;
  if (const auto bytes = view.get(Table::meta, said_key(feed))) {
    engine::Result<engine::Ranges> said = read_said(feed, *bytes);
    if (!said) {
      return said.error();
    }
    out.said = *std::move(said);
  }
  const std::string prefix = key_of(feed.tenant, feed.id);
  bool good = true;
  view.scan(Table::cells, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view bytes) {
    key.remove_prefix(prefix.size());
    good = key.size() == kCellBytes && (key.back() == kObserved || key.back() == kEmitted);
    if (!good) {
      return false;
    }
    const CellKey cell{read_key_time(key.substr(0, 8)), read_u64(key.substr(8, 8))};
    auto& rows = key.back() == kObserved ? out.observed : out.emitted;
    rows.emplace_hint(rows.end(), cell, Blob{bytes});
    return true;
  });
  if (!good) {
    return damaged(feed, "have a key that is damaged");
  }
  return out;
}

std::vector<std::string> stored_feeds(const ReadTransaction& view, const std::string& tenant) {
  std::vector<std::string> ids;
  const std::string prefix = key_of(tenant, "feed");
  view.scan(Table::meta, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
    ids.emplace_back(key.substr(prefix.size()));
    return true;
  });
  return ids;
}

void erase_feeds(const ReadTransaction& view, std::span<const FeedName> feeds, WriteBatch& batch) {
  std::set<std::string> prefixes;
  for (const FeedName& feed : feeds) {
    const std::string prefix = key_of(feed.tenant, feed.id);
    batch.erase_range(Table::cells, prefix, prefix_end(prefix));
    batch.erase(Table::meta, said_key(feed));
    prefixes.insert(prefix);
  }
  erase_logs(view, prefixes, batch);
}

}  // namespace settle::runner
