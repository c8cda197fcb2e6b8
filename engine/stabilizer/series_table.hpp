// engine/stabilizer/series_table.hpp: canonical texts to dense ids, and what an engine knows of each series.
//
// Ids are reused inside one engine; numbers (SeriesNumber) never are. An id without a number is provisional:
// met in the answer that is being taken in, its text still the answer's.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/finality/learner.hpp"
#include "engine/model/answer.hpp"
#include "engine/stabilizer/cell.hpp"

namespace settle::engine {

struct Series {
  SeriesNumber number = 0;  // 0: provisional or free
  Time last_bucket = kNever;
  Time last_valued = kNever;
  Time emitted_through = kNever;
  std::uint64_t base = 0;
  std::uint64_t last_total = 0;
  std::uint64_t withheld = 0;
  ScopeId last_scope = kNone;
  std::uint32_t cells = 0;
  std::uint32_t logged = 0;  // number of the last record that holds it; 0: none has to
  bool dirty = false;
  bool overflowed = false;  // its total passed 2^53 at some time
  bool marked = false;      // its totals and zeros are to be looked at
  Pace pace;                // only for `learned`
};

class SeriesTable {
 public:
  SeriesTable() = default;
  SeriesTable(SeriesTable&&) = default;
  SeriesTable& operator=(SeriesTable&&) = default;
  [[nodiscard]] SeriesTable clone() const;

  [[nodiscard]] static std::uint64_t hash(std::string_view text);
  /// Two steps, some rows apart: the slot, then the text it leads to.
  void prefetch(std::uint64_t hash) const;
  void prefetch_text(std::uint64_t hash) const;
  struct Interned {
    SeriesId id = 0;
    bool is_new = false;
  };
  /// The id of the text; a new one is provisional and keeps the view itself.
  Interned intern(std::string_view text, std::uint64_t hash);

  /// Copies the text and gives the number. Numbers must grow from call to call.
  void admit(SeriesId id, SeriesNumber number);
  /// Forgets a provisional id.
  void drop(SeriesId id);
  /// Forgets admitted ids.
  void retire(std::span<const SeriesId> ids);

  [[nodiscard]] std::string_view text(SeriesId id) const { return texts_[id]; }
  [[nodiscard]] Series& operator[](SeriesId id) { return series_[id]; }
  [[nodiscard]] const Series& operator[](SeriesId id) const { return series_[id]; }
  [[nodiscard]] std::size_t size() const { return by_number_.size(); }  // admitted
  [[nodiscard]] std::size_t width() const { return series_.size(); }    // every id is below it
  /// Admitted ids by number.
  [[nodiscard]] const std::vector<SeriesId>& by_number() const { return by_number_; }
  [[nodiscard]] SeriesId find_number(SeriesNumber number) const;  // kNone: unknown
  /// Admitted ids by text; sorted anew only where series were added since.
  [[nodiscard]] const std::vector<SeriesId>& by_text() const;
  /// Position in by_text(), which must have been called since the last admission.
  [[nodiscard]] std::uint32_t rank(SeriesId id) const { return ranks_[id]; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Slot {
    std::uint32_t tag = 0;
    SeriesId id = kNone;
  };
  void grow();
  void erase_slot(SeriesId id);
  void free_id(SeriesId id);
  void compact_texts();

  std::vector<Slot> slots_;  // open addressing by the low bits of the tag, a power of two
  std::size_t used_ = 0;
  std::vector<std::string_view> texts_;
  std::vector<Series> series_;
  std::vector<SeriesId> free_;
  std::vector<SeriesId> by_number_;
  TextArena arena_;
  std::size_t text_bytes_ = 0;  // of admitted series
  std::size_t kept_bytes_ = 0;  // in the arena, dead ones included
  // Output order, made on demand.
  mutable std::vector<SeriesId> by_text_;
  mutable std::vector<std::uint32_t> ranks_;
  mutable std::size_t sorted_ = 0;  // so many of by_number_ are in by_text_
};

}  // namespace settle::engine
