// cli/store_tools.hpp: `settle backup` and `settle store stat`: beside a running daemon or without one.
#pragma once

#include <iosfwd>
#include <string>

#include "engine/result.hpp"
#include "runner/store/store.hpp"

namespace settle::cli {

struct StoreArguments {
  std::string config_file;  // names the store by its data_dir, unless data_dir is given here
  std::string data_dir;
  std::string into;  // backup
};

/// Each returns the exit code: 0 done, 1 failed (said on `err`).
[[nodiscard]] int backup_store(const StoreArguments& arguments, std::ostream& out, std::ostream& err);
[[nodiscard]] int print_store_stat(const StoreArguments& arguments, std::ostream& out, std::ostream& err);

[[nodiscard]] std::string format_stat(const runner::StoreStat& stat);

}  // namespace settle::cli
