#include "cli/serve.hpp"

#include <iostream>

namespace settle::cli {

int serve(const ServeOptions&) {
  std::cerr << "settle serve: not built yet: the daemon's wiring (store, registry, REST) is missing\n";
  return 1;
}

}  // namespace settle::cli
