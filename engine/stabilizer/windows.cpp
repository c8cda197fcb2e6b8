#include "engine/stabilizer/windows.hpp"

#include <algorithm>
#include <iterator>

namespace settle::engine {

void Windows::append(const Window& window) {
  for (const AgedCell& cell : window) {
    const bool first = &cell == window.data();
    cells_.push_back(
        static_cast<std::uint16_t>((first ? kFirstBit : 0) | (cell.band << kBandShift) | cell.score));
  }
}

void Windows::add(const Window& window) {
  append(window);
  logged_.push_back(0);
}

void Windows::forget(std::size_t count) {
  std::size_t cells = 0;
  std::size_t windows = 0;
  for (; cells < cells_.size(); ++cells) {
    if ((cells_[cells] & kFirstBit) != 0 && windows++ == count) break;
  }
  cells_.erase(cells_.begin(), cells_.begin() + static_cast<std::ptrdiff_t>(cells));
  logged_.erase(logged_.begin(), logged_.begin() + static_cast<std::ptrdiff_t>(count));
  first_ += count;
}

std::vector<Score> Windows::worst_scores() const {
  std::vector<Score> out;
  out.reserve(logged_.size());
  for_each([&](auto first, auto last) {
    Score worst = 0;
    for (; first != last; ++first) worst = std::max(worst, cell(*first).score);
    out.push_back(worst);
  });
  return out;
}

double Windows::share_from(Score score) const {
  if (empty()) return 0;
  std::uint64_t weight = 0;
  for_each([&](auto first, auto last) {
    const auto size = static_cast<std::uint64_t>(last - first);
    for (; first != last; ++first) weight += cell(*first).score >= score ? kWindowWeight / size : 0;
  });
  return static_cast<double>(weight) / static_cast<double>(kWindowWeight * logged_.size());
}

std::size_t Windows::memory_bytes() const {
  return cells_.capacity() * sizeof(cells_[0]) + logged_.capacity() * sizeof(logged_[0]);
}

// ---- saving

std::vector<std::pair<std::uint64_t, Window>> Windows::take_unsaved(std::uint32_t record) {
  std::vector<std::pair<std::uint64_t, Window>> out;
  std::size_t at = 0;
  for_each([&](auto first, auto last) {
    if (logged_[at] == 0) {
      Window window;
      std::transform(first, last, std::back_inserter(window), cell);
      out.emplace_back(first_ + at, std::move(window));
      logged_[at] = record;
    }
    ++at;
  });
  return out;
}

void Windows::renew(std::uint64_t window, std::uint32_t record) {
  if (window < first_ || window - first_ >= logged_.size()) return;
  auto& logged = logged_[window - first_];
  if (logged == record) logged = 0;
}

void Windows::load(std::uint64_t first, std::size_t count) {
  first_ = first;
  cells_.clear();
  logged_.assign(count, 0);
  loading_.assign(count, Window{});
}

void Windows::load_window(std::uint64_t number, Window window, std::uint32_t record) {
  if (number < first_ || number - first_ >= loading_.size()) return;
  loading_[number - first_] = std::move(window);
  logged_[number - first_] = record;
}

bool Windows::finish_load() {
  const std::vector<Window> given = std::exchange(loading_, {});
  for (const Window& window : given) {
    if (window.empty()) return false;
    append(window);
  }
  return true;
}

}  // namespace settle::engine
