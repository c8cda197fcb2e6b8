// engine/query/window_merge.hpp: what k consecutive buckets hold, merged; bucket by bucket further on at no
// more than three merges a step.
//
// Blocks of k buckets are aligned to the epoch: bucket i is in block floor(i / k). A window that ends inside
// a block is a suffix of the block before it and a prefix of that block; one that ends with a block is that
// block. What is merged with what depends on these places alone, not on what was asked or corrected before:
//
//   prefix to i = (((c_first + c_first+1) + ...) + c_i)      from the block's first bucket on
//   suffix from i = (((c_last + c_last-1) + ...) + c_i)      from the block's last bucket back
//   window = suffix + prefix
//
// with buckets without a cell left out. So sums of doubles have the same bits live and backfilled. (Two
// stacks, as of Tangwongsan et al., with the turn at a time instead of wherever it falls.)
//
// Kept are all suffixes of one block, one copy each, and one prefix: those of the window asked last. Steps to
// the next bucket cost 3k - 2 merges in k steps; a first window, or one elsewhere, k + 1 and the suffixes of
// the blocks that it enters.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::query {

/// A Merger has
///   Partial: a value type; Partial{} is nothing, assignment copies;
///   add(Partial& into, const Cell&) -> Result<void>: the cell of a bucket that touches those merged so far,
///     later or earlier;
///   join(Partial& into, const Partial& later) -> Result<void>.
/// After an error `into` is as it was. If it also has
///   Kept: a value type with keep(const Partial&) and restore(Partial&) const, which gives the same again,
/// suffixes are kept as such. A cell_at that has soon(bucket, step) is told where it is asked next, and in
/// which steps onward.
template <class Merger>
class WindowMerge {
 public:
  using Partial = typename Merger::Partial;

  /// Windows of `buckets` (> 0) of that length (> 0).
  WindowMerge(engine::Duration granularity, std::int64_t buckets)
      : granularity_(granularity), buckets_(buckets) {
    assert(granularity.count() > 0 && buckets > 0);
    suffix_.built_from = buckets_;
  }

  /// Merges the buckets whose ends lie in (end - buckets * granularity, end] into `out`, over what it held;
  /// gives how many had a cell. `end` is the end of a bucket. cell_at(start of a bucket) -> const Cell*,
  /// nullptr where there is none; it must say the same again until changed(). An error of the merger is
  /// passed on, and `out` then of no use; windows without that bucket are not harmed.
  template <class CellAt>
  engine::Result<std::size_t> merge(engine::Time end, const CellAt& cell_at, const Merger& merger,
                                    Partial& out) {
    assert(engine::floor_to(end, granularity_) == end);
    const Place last = place(end - granularity_);
    if (auto extended = extend_prefix(last, cell_at, merger); !extended) return extended.error();
    // Past the end of its block if the window ends with the next one: nothing of it then.
    const Place first{.block = last.block - 1, .offset = last.offset + 1};
    if (auto extended = extend_suffix(first, cell_at, merger, out); !extended) return extended.error();
    const std::size_t before = cells_from(first.offset);
    if (before == 0) {
      out = prefix_.partial;
      return prefix_.cells;
    }
    suffix_.kept[before - 1].restore(out);
    if (prefix_.cells == 0) return before;
    if (auto joined = merger.join(out, prefix_.partial); !joined) return joined.error();
    return before + prefix_.cells;
  }

  /// The cell of the bucket that starts there appeared, went or is another one. What was merged without it
  /// stays.
  void changed(engine::Time bucket) {
    const Place at = place(bucket);
    if (prefix_.block == at.block && prefix_.next > at.offset) restart_prefix(at.block);
    if (suffix_.block == at.block && suffix_.built_from <= at.offset) {
      suffix_.offsets.resize(cells_from(at.offset + 1));
      suffix_.built_from = at.offset + 1;
    }
  }

  /// The cells of all buckets before that one went.
  void forget_before(engine::Time bucket) {
    const Place at = place(bucket);
    if (prefix_.block < at.block || (prefix_.block == at.block && at.offset > 0)) restart_prefix(at.block);
    if (suffix_.block < at.block) {
      restart_suffix(at.block);
    } else if (suffix_.block == at.block && suffix_.built_from < at.offset) {
      suffix_.offsets.resize(cells_from(at.offset));
      suffix_.built_from = at.offset;
    }
  }
  /// What merge() of that window will most likely read, if every bucket has a cell; to be fetched ahead.
  struct Soon {
    const Partial* prefix = nullptr;
    const void* kept = nullptr;  // a Merger's Kept
  };
  [[nodiscard]] Soon soon(engine::Time end) const {
    const Place last = place(end - granularity_);
    const auto before = static_cast<std::size_t>(buckets_ - 1 - last.offset);
    return {.prefix = &prefix_.partial,
            .kept = before == 0 || before > suffix_.kept.size() ? nullptr : &suffix_.kept[before - 1]};
  }
  /// As when it was made, but keeps the memory.
  void restart() {
    restart_prefix(0);
    restart_suffix(0);
  }

 private:
  struct Place {
    std::int64_t block = 0;
    std::int64_t offset = 0;  // of the bucket in its block
  };
  struct Prefix {
    std::int64_t block = 0;
    std::int64_t next = 0;  // offset of the first bucket that is not in it
    Partial partial{};
    std::size_t cells = 0;
  };
  struct Copied {
    void keep(const Partial& partial) { held = partial; }
    void restore(Partial& out) const { out = held; }
    Partial held;
  };
  template <class Any>
  struct KeptAs {
    using Type = Copied;
  };
  template <class Any>
  requires requires { typename Any::Kept; }
  struct KeptAs<Any> {
    using Type = typename Any::Kept;
  };
  struct Suffix {
    std::int64_t block = 0;
    std::int64_t built_from = 0;  // the least offset that was looked at
    // Of buckets with a cell, from the block's end back. Apart, so that a search touches few lines of the
    // cache, and more may be kept than there are offsets: those keep their memory.
    std::vector<std::int64_t> offsets;
    std::vector<typename KeptAs<Merger>::Type> kept;
  };

  [[nodiscard]] Place place(engine::Time bucket) const {
    const engine::Time start = engine::floor_to(bucket, granularity_);
    const engine::Time block = engine::floor_to(start, granularity_ * buckets_);
    return {.block = block.time_since_epoch() / (granularity_ * buckets_),
            .offset = (start - block) / granularity_};
  }
  [[nodiscard]] engine::Time start_of(Place at) const {
    return engine::Time{granularity_ * (at.block * buckets_ + at.offset)};
  }

  void restart_prefix(std::int64_t block) {
    prefix_.block = block;
    prefix_.next = 0;
    prefix_.partial = Partial{};
    prefix_.cells = 0;
  }

  void restart_suffix(std::int64_t block) {
    suffix_.block = block;
    suffix_.built_from = buckets_;
    suffix_.offsets.clear();
  }

  /// How many cells the suffix holds at or after `offset`.
  [[nodiscard]] std::size_t cells_from(std::int64_t offset) const {
    const auto& offsets = suffix_.offsets;
    const auto end =
        std::partition_point(offsets.begin(), offsets.end(), [&](std::int64_t at) { return at >= offset; });
    return static_cast<std::size_t>(end - offsets.begin());
  }

  template <class CellAt>
  engine::Result<void> extend_prefix(Place last, const CellAt& cell_at, const Merger& merger) {
    if (prefix_.block != last.block || prefix_.next > last.offset + 1) restart_prefix(last.block);
    for (; prefix_.next <= last.offset; ++prefix_.next) {
      const engine::Time bucket = start_of({.block = last.block, .offset = prefix_.next});
      if constexpr (requires { cell_at.soon(bucket, granularity_); }) cell_at.soon(bucket, granularity_);
      const auto* const cell = cell_at(bucket);
      if (cell == nullptr) continue;
      if (auto added = merger.add(prefix_.partial, *cell); !added) return added;
      ++prefix_.cells;
    }
    return {};
  }

  /// `work` is of no use afterwards.
  template <class CellAt>
  engine::Result<void> extend_suffix(Place first, const CellAt& cell_at, const Merger& merger,
                                     Partial& work) {
    if (suffix_.block != first.block) restart_suffix(first.block);
    if (suffix_.built_from <= first.offset) return {};
    const std::size_t before = suffix_.offsets.size();
    if (suffix_.kept.empty()) suffix_.kept.reserve(static_cast<std::size_t>(buckets_ - first.offset));
    if (before == 0) {
      work = Partial{};
    } else {
      suffix_.kept[before - 1].restore(work);
    }
    for (; suffix_.built_from > first.offset; --suffix_.built_from) {
      const std::int64_t offset = suffix_.built_from - 1;
      const engine::Time bucket = start_of({.block = first.block, .offset = offset});
      if constexpr (requires { cell_at.soon(bucket, granularity_); }) cell_at.soon(bucket, -granularity_);
      const auto* const cell = cell_at(bucket);
      if (cell == nullptr) continue;
      const std::size_t built = suffix_.offsets.size();
      if (auto added = merger.add(work, *cell); !added) return added;
      if (built == suffix_.kept.size()) suffix_.kept.emplace_back();
      suffix_.kept[built].keep(work);
      suffix_.offsets.push_back(offset);
    }
    return {};
  }

  engine::Duration granularity_;
  std::int64_t buckets_;
  Prefix prefix_;
  Suffix suffix_;
};

}  // namespace settle::query
