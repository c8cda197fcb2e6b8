// sinks/read_back.hpp: asks a server what it has, in pieces of bounded size; how one piece is asked for is
// the server's protocol.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

/// Canonical series text -> (epoch ms, value); a timestamp may occur more than once.
using Exported = std::map<std::string, std::vector<std::pair<std::int64_t, double>>, std::less<>>;

/// Some series (canonical texts) over some time.
struct ReadPiece {
  std::vector<std::string> series;
  engine::TimeRange timestamps;
};
/// The second half of `piece`, taken out of it: of its series, or of the time of its one series. None: it
/// cannot be smaller.
[[nodiscard]] std::optional<ReadPiece> split_off(ReadPiece& piece);
/// The series of `rows` and the time they span.
[[nodiscard]] ReadPiece piece_of(std::span<const Row> rows);
/// What `exported` has of `series` (sorted), by (series, timestamp, value). A NaN is left out: it is a stale
/// marker, which says that there is no sample; servers with the Prometheus API do not even show it.
void append_stored(std::vector<StoredSample>& found, std::span<const std::string> series,
                   const Exported& exported);

class ReadBack {
 public:
  virtual ~ReadBack() = default;
  /// Does the server let us read?
  virtual boost::asio::awaitable<bool> is_open() = 0;
  /// As Sink::holds() and Sink::stored(): what was acknowledged before the call is seen.
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows);
  boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> stored(std::vector<std::string> series,
                                                                           engine::TimeRange timestamps);

 protected:
  struct Answer {
    Exported exported;       // other series and timestamps may be among it
    bool too_large = false;  // then nothing was taken: ask for less
    std::string detail;      // of too_large
  };
  virtual boost::asio::awaitable<void> make_visible() = 0;
  virtual boost::asio::awaitable<engine::Result<Answer>> ask(ReadPiece piece) = 0;
  /// For each row: is its value at its (series, timestamp), as exactly as the server stores?
  [[nodiscard]] virtual std::vector<bool> compare(std::span<const Row> rows,
                                                  const Exported& exported) const = 0;

 private:
  boost::asio::awaitable<engine::Result<Exported>> read(ReadPiece all);
};

}  // namespace settle::sinks
