// engine/sketch/coupons.hpp: a set of coupons, as DataSketches calls the hashes of items before there are
// enough of them for registers: value << 26 | address. 0 is no coupon.
//
// Open addressing over 4-byte words, at most three quarters full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace settle::sketch {

inline constexpr unsigned kAddressBits = 26;

class CouponSet {
 public:
  void insert(std::uint32_t coupon);  // != 0
  /// Room for as many in all. Needed before taking another set's slots one by one: their order is that of
  /// this set's slots, too, and would fill a smaller table from one end.
  void reserve(std::size_t coupons);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Somebody chose coupons that all want one place: further ones would take ever longer.
  [[nodiscard]] bool crowded() const { return crowded_; }
  /// Slots, 0 where there is no coupon; in no order that means anything.
  [[nodiscard]] const std::vector<std::uint32_t>& slots() const { return slots_; }
  [[nodiscard]] std::vector<std::uint32_t> sorted() const;
  void clear();

 private:
  void place(std::uint32_t coupon);
  void resize(unsigned log_slots);

  std::vector<std::uint32_t> slots_;
  std::size_t size_ = 0;
  unsigned shift_ = 32;  // of the product whose upper bits are the slot
  bool crowded_ = false;
};

}  // namespace settle::sketch
