#include "engine/sketch/coupons.hpp"

#include <algorithm>
#include <utility>

namespace settle::sketch {

namespace {

constexpr unsigned kLogSlotsMin = 5;
// At three quarters full, a longer way by chance is less likely than 1e-16.
constexpr std::size_t kStepsMax = 1024;

}  // namespace

void CouponSet::insert(std::uint32_t coupon) {
  if (4 * (size_ + 1) > 3 * slots_.size()) resize(slots_.empty() ? kLogSlotsMin : 33 - shift_);
  place(coupon);
}

void CouponSet::reserve(std::size_t coupons) {
  unsigned log_slots = slots_.empty() ? kLogSlotsMin : 32 - shift_;
  while (4 * coupons > 3 * (std::size_t{1} << log_slots)) ++log_slots;
  if (std::size_t{1} << log_slots > slots_.size()) resize(log_slots);
}

void CouponSet::place(std::uint32_t coupon) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = (coupon * 0x9e3779b1U) >> shift_;  // the golden ratio's bits: neighbours scatter
  std::size_t steps = 0;
  while (slots_[slot] != 0) {
    if (slots_[slot] == coupon) return;
    slot = (slot + 1) & mask;
    ++steps;
  }
  if (steps > kStepsMax) crowded_ = true;
  slots_[slot] = coupon;
  ++size_;
}

void CouponSet::resize(unsigned log_slots) {
  shift_ = 32 - log_slots;
  std::vector<std::uint32_t> old(std::size_t{1} << log_slots);
  std::swap(old, slots_);
  size_ = 0;
  for (const std::uint32_t coupon : old) {
    if (coupon != 0) place(coupon);
  }
}

std::vector<std::uint32_t> CouponSet::sorted() const {
  std::vector<std::uint32_t> all;
  all.reserve(size_);
  for (const std::uint32_t coupon : slots_) {
    if (coupon != 0) all.push_back(coupon);
  }
  std::sort(all.begin(), all.end());
  return all;
}

void CouponSet::clear() {
  // A large table would make every later use of a small set slow.
  if (slots_.size() > std::size_t{1} << 12) slots_ = {}, shift_ = 32;
  std::fill(slots_.begin(), slots_.end(), 0U);
  size_ = 0;
  crowded_ = false;
}

}  // namespace settle::sketch
