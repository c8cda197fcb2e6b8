// engine/query/final_cells.hpp: the final cells of a feed: what windows are merged of.
//
// A bucket is covered once every series of it was said: what is not here then is empty. Whoever merges cells
// reads of a log what changed since it looked last. The log is bounded: who is too far behind starts anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/model/blob.hpp"
#include "engine/model/time.hpp"
#include "engine/plan/ranges.hpp"
#include "engine/query/label_groups.hpp"

namespace settle::query {

class FinalCells {
 public:
  /// Changes that the log holds at least, beside two for each cell.
  static constexpr std::size_t kLogged = 65'536;

  explicit FinalCells(engine::Duration granularity, std::size_t logged = kLogged)
      : granularity_(granularity), logged_(logged) {}
  FinalCells(const FinalCells&) = delete;  // views know it by its address
  FinalCells& operator=(const FinalCells&) = delete;
  ~FinalCells() = default;

  [[nodiscard]] engine::Duration granularity() const { return granularity_; }

  /// A new cell, or one that was corrected; without bytes: there is none any more. `series`: canonical text;
  /// `bucket`: its start.
  void put(std::string_view series, engine::Time bucket, engine::Blob sketch);
  /// Every series of the buckets that lie in the range was said.
  void cover(engine::TimeRange buckets);
  /// Of these nothing is sure any more; their cells stay until others are put.
  void uncover(engine::TimeRange buckets);
  [[nodiscard]] bool covers(engine::TimeRange buckets) const;
  [[nodiscard]] engine::Ranges uncovered(engine::TimeRange buckets) const;
  [[nodiscard]] const engine::Ranges& covered() const { return covered_; }
  /// Neither cells nor cover before it; series go with their last cell. What is said again is kept again.
  void forget_before(engine::Time bucket);

  [[nodiscard]] std::size_t size() const { return cells_; }  // cells
  [[nodiscard]] std::size_t series_count() const { return ids_.size(); }

  // For views. Ids are dense, and used again when a series has gone.

  [[nodiscard]] std::size_t id_end() const { return lines_.size(); }  // all ids are below
  /// "" where there is no series of this id. Valid as long as the series is here.
  [[nodiscard]] std::string_view series(SeriesId id) const {
    return id < lines_.size() ? lines_[id].series : std::string_view{};
  }
  /// nullptr where there is none. Valid until cells are put or forgotten.
  [[nodiscard]] const engine::Blob* cell(SeriesId id, engine::Time bucket) const;

  struct Change {
    enum class Kind : std::uint8_t {
      cell,    // the one of `id` and `bucket` is new, another, or gone
      gone,    // the series of `id`: others may have the id from then on
      forgot,  // all before `bucket`
    };
    Kind kind = Kind::cell;
    SeriesId id = 0;
    engine::Time bucket{};
  };
  /// Of all changes so far.
  [[nodiscard]] std::uint64_t version() const { return dropped_ + log_.size(); }
  /// In their order; nullopt where the log does not reach back so far. Valid until something changes.
  [[nodiscard]] std::optional<std::span<const Change>> changes_since(std::uint64_t version) const;

 private:
  struct Entry {
    engine::Time bucket;
    engine::Blob sketch;
  };
  /// A series: its cells from `first` on, by bucket. Those before it were forgotten.
  struct Line {
    std::string_view series;  // the key in ids_
    std::size_t first = 0;
    std::vector<Entry> cells;
    [[nodiscard]] std::size_t size() const { return cells.size() - first; }
  };

  [[nodiscard]] SeriesId id_of(std::string_view series);
  [[nodiscard]] std::size_t place_in(const Line& line, engine::Time bucket) const;
  void forget_cells(SeriesId id, engine::Time before);
  void remove(SeriesId id);
  void log(const Change& change);

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  engine::Duration granularity_;
  std::size_t logged_;
  engine::Ranges covered_;
  std::vector<Line> lines_;  // by id
  std::vector<SeriesId> free_;
  std::unordered_map<std::string, SeriesId, TextHash, std::equal_to<>> ids_;
  std::size_t cells_ = 0;
  std::vector<Change> log_;
  std::uint64_t dropped_ = 0;  // from the log's beginning
};

}  // namespace settle::query
