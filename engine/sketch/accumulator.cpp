#include "engine/sketch/accumulator.hpp"

namespace settle::sketch {

namespace {

/// f(family) of what is held; nothing for std::monostate.
template <class F, class... Families>
void visit_held(const std::variant<std::monostate, Families...>& accumulator, F f) {
  const auto try_one = [&](const auto* held) {
    if (held != nullptr) f(*held);
  };
  (try_one(std::get_if<Families>(&accumulator)), ...);
}

template <class Family>
engine::Result<void> merge_one(Family& into, const Family& from, Along /*along*/) {
  return into.merge(from);
}
engine::Result<void> merge_one(Stats& into, const Stats& from, Along along) {
  if (along == Along::time) return into.merge_in_time(from);
  into.merge_across(from);
  return {};
}

}  // namespace

std::string_view family_text(const Accumulator& accumulator) {
  switch (accumulator.index()) {
    case 1:
      return "a DDSketch";
    case 2:
      return "a HyperLogLog sketch";
    case 3:
      return "a Count-Min sketch";
    case 4:
      return "a CountSketch";
    case 5:
      return "a frequent items sketch";
    case 6:
      return "exact statistics";
    default:
      return "nothing";
  }
}

engine::Result<void> merge(Accumulator& into, const Accumulator& from, Along along) {
  engine::Result<void> merged;
  visit_held(from, [&]<class Family>(const Family& held) {
    merged = merge_family<Family>(into, [&](Family& mine) { return merge_one(mine, held, along); });
  });
  return merged;
}

std::uint64_t canonical_hash(const Accumulator& accumulator) {
  std::uint64_t hash = 0;
  visit_held(accumulator, [&](const auto& held) { hash = canonical_hash(held) + accumulator.index(); });
  return hash;
}

}  // namespace settle::sketch
