#include "sinks/read_back.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

// One query for many series: each matcher costs the server an index search, each request a round trip.
constexpr std::size_t kSeriesMax = 256;

void add(Exported& all, Exported&& more) {
  for (auto& [series, samples] : more) {
    auto& into = all[series];
    into.insert(into.end(), samples.begin(), samples.end());
  }
}

}  // namespace

std::optional<ReadPiece> split_off(ReadPiece& piece) {
  ReadPiece second{{}, piece.timestamps};
  if (piece.series.size() > 1) {
    const auto middle = piece.series.begin() + static_cast<std::ptrdiff_t>(piece.series.size() / 2);
    second.series.assign(std::make_move_iterator(middle), std::make_move_iterator(piece.series.end()));
    piece.series.erase(middle, piece.series.end());
    return second;
  }
  const engine::Duration length = piece.timestamps.to - piece.timestamps.from;
  if (length < engine::Duration{2}) return std::nullopt;
  second.series = piece.series;
  second.timestamps.from = piece.timestamps.from + length / 2;
  piece.timestamps.to = second.timestamps.from;
  return second;
}

ReadPiece piece_of(std::span<const Row> rows) {
  ReadPiece piece{{}, {engine::Time::max(), engine::Time::min()}};
  for (const Row& row : rows) {
    piece.series.emplace_back(row.series.view());
    piece.timestamps.from = std::min(piece.timestamps.from, row.timestamp);
    piece.timestamps.to = std::max(piece.timestamps.to, row.timestamp + engine::Duration{1});
  }
  std::sort(piece.series.begin(), piece.series.end());
  piece.series.erase(std::unique(piece.series.begin(), piece.series.end()), piece.series.end());
  return piece;
}

void append_stored(std::vector<StoredSample>& found, std::span<const std::string> series,
                   const Exported& exported) {
  for (const std::string& one : series) {
    const auto at = exported.find(one);
    if (at == exported.end()) continue;
    const std::size_t first = found.size();
    for (const auto& [ms, value] : at->second) {
      if (std::isnan(value)) continue;
      found.push_back({one, engine::from_epoch_ms(ms), engine::Value::number(value)});
    }
    std::sort(found.begin() + static_cast<std::ptrdiff_t>(first), found.end(),
              [](const StoredSample& a, const StoredSample& b) {
                return a.timestamp != b.timestamp ? a.timestamp < b.timestamp : a.value < b.value;
              });
  }
}

asio::awaitable<engine::Result<Exported>> ReadBack::read(ReadPiece all) {
  Exported exported;
  std::vector<ReadPiece> pieces(1);
  pieces.front() = std::move(all);
  while (!pieces.empty()) {
    ReadPiece& piece = pieces.back();
    engine::Result<Answer> answer = co_await ask(piece);
    if (!answer) co_return answer.error();
    if (answer->too_large) {
      std::optional<ReadPiece> second = split_off(piece);
      if (!second) co_return engine::retry_later(answer->detail);
      pieces.push_back(std::move(*second));
      continue;
    }
    add(exported, std::move(answer->exported));
    pieces.pop_back();
  }
  co_return exported;
}

asio::awaitable<engine::Result<std::vector<bool>>> ReadBack::holds(std::vector<Row> rows) {
  co_await make_visible();
  std::vector<bool> held;
  held.reserve(rows.size());
  for (std::size_t at = 0; at < rows.size(); at += kSeriesMax) {
    const std::size_t count = std::min(kSeriesMax, rows.size() - at);
    ReadPiece piece = piece_of(std::span{rows}.subspan(at, count));
    const engine::Result<Exported> exported = co_await read(std::move(piece));
    if (!exported) co_return exported.error();
    const std::vector<bool> part = compare(std::span{rows}.subspan(at, count), *exported);
    held.insert(held.end(), part.begin(), part.end());
  }
  co_return held;
}

asio::awaitable<engine::Result<std::vector<StoredSample>>> ReadBack::stored(std::vector<std::string> series,
                                                                            engine::TimeRange timestamps) {
  std::vector<StoredSample> found;
  if (series.empty() || timestamps.empty()) co_return found;
  co_await make_visible();
  std::sort(series.begin(), series.end());
  series.erase(std::unique(series.begin(), series.end()), series.end());
  for (std::size_t at = 0; at < series.size(); at += kSeriesMax) {
    const auto first = series.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last = first + static_cast<std::ptrdiff_t>(std::min(kSeriesMax, series.size() - at));
    ReadPiece piece{{first, last}, timestamps};
    const engine::Result<Exported> exported = co_await read(std::move(piece));
    if (!exported) co_return exported.error();
    const std::span<const std::string> asked = std::span<const std::string>{first, last};
    append_stored(found, asked, *exported);
  }
  co_return found;
}

}  // namespace settle::sinks
