// sinks/remote_write/row_order.hpp: which rows a remote write server will never take, by what it has taken
// and refused so far.
//
// The rules are those of Prometheus (tsdb/head_append.go), which Mimir has, too. W is its out-of-order
// window:
//   W = 0  refuses what is behind the newest sample of its series ("out of order"), and, of any series, what
//   is
//          behind a bound near the newest sample it has of all ("out of bounds").
//   W > 0  refuses what is behind the newest sample of its series, or behind that bound, and at the same time
//   more
//          than W behind the newest sample of all ("too old").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/model/time.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

/// What a server means by a refusal.
enum class TooOld : std::uint8_t {
  no,  // something else
  out_of_order,
  out_of_bounds,
  too_old,
};
/// By the words of Prometheus and of Mimir.
[[nodiscard]] TooOld too_old(std::string_view answer);

class RowOrder {
 public:
  /// The server has taken the rows.
  void note_taken(const std::vector<Row>& rows);
  /// The server has refused the rows, for the sake of one of them at least.
  void note_refused(const std::vector<Row>& rows, TooOld why);
  /// For the reason it gave last. `refused` is never a guess.
  [[nodiscard]] Lateness lateness(const Row& row) const;
  /// It is another server from now on, or has been restarted.
  void forget() { *this = RowOrder{}; }

 private:
  void note_newest(const Row& row, engine::Time timestamp);
  [[nodiscard]] bool is_behind(const Row& row) const;

  std::unordered_map<std::uint64_t, engine::Time>
      newest_;                         // that it has, as far as known, by a hash of the text
  std::optional<engine::Time> bound_;  // what is as old as this, or older, is too old for `last_`
  TooOld last_ = TooOld::no;
};

}  // namespace settle::sinks
