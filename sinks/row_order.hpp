// sinks/row_order.hpp: which rows a remote write server will never take, by what it has taken and refused so
// far.
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
  no,            // something else
  out_of_order,  // it takes nothing behind the newest sample of a series: it has no out-of-order window
  out_of_bounds  // it takes nothing, of any series, that is so far behind the newest sample it has of all
};
/// By the words of Prometheus and of Mimir.
[[nodiscard]] TooOld too_old(std::string_view answer);

class RowOrder {
 public:
  /// The server has taken the rows.
  void note_taken(const std::vector<Row>& rows);
  /// The server has refused the rows, for the sake of one of them at least.
  void note_refused(const std::vector<Row>& rows, TooOld why);
  /// Would it refuse the row for the reason it gave last? Never a guess: false where that does not follow.
  [[nodiscard]] bool is_behind(const Row& row) const;
  /// It is another server from now on, or has been restarted.
  void forget() { *this = RowOrder{}; }

 private:
  void note_newest(const Row& row, engine::Time timestamp);

  std::unordered_map<std::uint64_t, engine::Time>
      newest_;                         // that it has, as far as known, by a hash of the text
  std::optional<engine::Time> bound_;  // it refused one of this age as out of bounds
  TooOld last_ = TooOld::no;
};

}  // namespace settle::sinks
