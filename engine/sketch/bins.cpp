#include "engine/sketch/bins.hpp"

#include <cassert>

#include "engine/sketch/counts.hpp"

namespace settle::sketch {
namespace {

constexpr auto kGroup = static_cast<std::int64_t>(kCountGroup);

std::int64_t floor_to_group(std::int64_t index) {
  return index & ~(kGroup - 1);
}

/// The first of `size` counts, from below or above, with which `before` exceeds `rank`; moves `before` to it.
/// `size` if there is none.
template <class Count>
std::size_t pass(std::size_t size, bool from_above, double& before, double rank, Count count) {
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t at = from_above ? size - 1 - i : i;
    const double with = before + count(at);
    if (with > rank) return at;
    before = with;
  }
  return size;
}

}  // namespace

double Bins::at(std::int64_t index) const {
  return index < range_.low || index > range_.high ? 0 : counts_[offset(index)];
}

std::span<const double> Bins::counts() const {
  if (range_.empty()) return {};
  return std::span{counts_}.subspan(offset(range_.low), static_cast<std::size_t>(range_.span()));
}

bool Bins::near_enough(const IndexRange& range) {
  constexpr std::int64_t kFar = std::int64_t{1} << 40;
  return range.empty() || (range.low >= -kFar && range.high <= kFar);
}

bool Bins::takes(IndexRange more) const {
  if (more.empty()) return true;
  if (!near_enough(more)) return false;
  more.include(range_);
  return more.span() <= kMost;
}

double* Bins::open(const IndexRange& more) {
  if (more.empty()) return nullptr;
  assert(takes(more));
  if (range_.empty()) {
    first_ = floor_to_group(more.low);
    counts_.assign(static_cast<std::size_t>(floor_to_group(more.high) + kGroup - first_), 0.0);
  } else {
    const std::int64_t first = floor_to_group(more.low);
    if (first < first_) {
      counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - first), 0.0);
      first_ = first;
    }
    const auto size = static_cast<std::size_t>(floor_to_group(more.high) + kGroup - first_);
    if (size > counts_.size()) counts_.resize(size, 0.0);
  }
  range_.include(more);
  return counts_.data() + offset(more.low);
}

void Bins::tighten() {
  while (!range_.empty() && counts_[offset(range_.low)] == 0) ++range_.low;
  while (!range_.empty() && counts_[offset(range_.high)] == 0) --range_.high;
  if (range_.empty()) return clear();
  // Groups of zeros at the ends would only cost time.
  const std::size_t before = offset(floor_to_group(range_.low));
  if (before > 0) {
    counts_.erase(counts_.begin(), counts_.begin() + static_cast<std::ptrdiff_t>(before));
    first_ += static_cast<std::int64_t>(before);
  }
  counts_.resize(offset(floor_to_group(range_.high) + kGroup));
}

bool Bins::collapse_to(std::int64_t floor) {
  if (range_.empty() || range_.low >= floor) return false;
  double below = 0;
  for (std::int64_t i = range_.low; i < floor; ++i) below += counts_[offset(i)], counts_[offset(i)] = 0;
  counts_[offset(floor)] += below;
  range_.low = floor;
  tighten();
  return true;
}

void Bins::halve() {
  if (range_.empty()) return;
  Bins halved;
  const IndexRange range = range_.shifted(1);
  double* to = halved.open(range);
  for (std::int64_t i = range_.low; i <= range_.high; ++i) to[(i >> 1) - range.low] += counts_[offset(i)];
  *this = std::move(halved);
}

double Bins::take_up_to(std::int64_t index) {
  if (range_.empty()) return 0;
  double taken = 0;
  for (; !range_.empty() && range_.low <= index; ++range_.low) {
    taken += counts_[offset(range_.low)];
    counts_[offset(range_.low)] = 0;
  }
  tighten();
  return taken;
}

void Bins::clear() {
  counts_.clear();
  first_ = 0;
  range_ = {};
}

void Bins::sum(Sums& sums) const {
  sums.total = sum_groups(counts_.data(), counts_.size() / kCountGroup, sums.groups);
}

std::int64_t Bins::find(const Sums& sums, double before, double rank, bool from_above) const {
  const std::size_t groups = counts_.size() / kCountGroup;
  const auto group = pass(groups, from_above, before, rank, [&](std::size_t at) { return sums.groups[at]; });
  if (group == groups) return from_above ? range_.low : range_.high;
  const double* counts = counts_.data() + group * kCountGroup;
  // Blocks and bins are associated differently from their group, so that rounding may let none of them exceed
  // the rank; then it is the last one that is not zero.
  const double before_group = before;
  constexpr std::size_t kBlocks = kCountGroup / kCountBlock;
  const auto block = pass(kBlocks, from_above, before, rank,
                          [&](std::size_t at) { return sum_block(counts + at * kCountBlock); });
  std::size_t from = block * kCountBlock;
  std::size_t size = kCountBlock;
  if (block == kBlocks) from = 0, size = kCountGroup, before = before_group;
  auto bin = pass(size, from_above, before, rank, [&](std::size_t at) { return counts[from + at]; });
  if (bin == size) {
    bin = from_above ? 0 : size - 1;
    while (counts[from + bin] == 0 && bin + 1 < size && from_above) ++bin;
    while (counts[from + bin] == 0 && bin > 0 && !from_above) --bin;
  }
  return first_ + static_cast<std::int64_t>(group * kCountGroup + from + bin);
}

}  // namespace settle::sketch
