#include "engine/model/blob.hpp"

#include <xxhash.h>

namespace settle::engine {

Value fingerprint(const Blob& blob) {
  return Value::count(XXH3_64bits(blob.bytes().data(), blob.bytes().size()));
}

}  // namespace settle::engine
