#include "cli/store_tools.hpp"

#include <memory>
#include <ostream>

#include "cli/config/config.hpp"
#include "cli/text_table.hpp"

namespace settle::cli {
namespace {

engine::Result<std::unique_ptr<runner::Store>> open_store(const StoreArguments& arguments) {
  runner::StoreOptions options;
  options.read_only = true;
  options.directory = arguments.data_dir;
  if (!arguments.config_file.empty()) {
    const auto config = load_config(arguments.config_file);
    if (!config) return config.error();
    if (options.directory.empty()) options.directory = config->data_dir;
    options.bytes_max = config->store_bytes_max;
  }
  if (options.directory.empty()) return engine::refused("name the store by --config FILE or --data DIR");
  return runner::Store::open(options);
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "0 %" : std::to_string(part * 100 / whole) + " %";
}

}  // namespace

std::string format_stat(const runner::StoreStat& stat) {
  TextTable table({"table", "entries", "bytes"});
  for (const runner::TableStat& row : stat.tables) {
    table.add({row.name, std::to_string(row.entries), std::to_string(row.bytes)});
  }
  return "store_id " + stat.store_id + ", epoch " + std::to_string(stat.epoch) + ", last commit " +
         std::to_string(stat.last_sequence) + "\nused " + std::to_string(stat.bytes_used) + " of " +
         std::to_string(stat.bytes_max) + " bytes (" + percent(stat.bytes_used, stat.bytes_max) + ")\n\n" +
         table.text();
}

int backup_store(const StoreArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto store = open_store(arguments);
  if (!store) {
    err << "settle backup: " << store.error().detail << '\n';
    return 1;
  }
  const auto done = (*store)->backup(arguments.into);
  if (!done) {
    err << "settle backup: " << done.error().detail << '\n';
    return 1;
  }
  out << "copied the store " << (*store)->store_id() << " to " << arguments.into << '\n';
  return 0;
}

int print_store_stat(const StoreArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto store = open_store(arguments);
  if (!store) {
    err << "settle store stat: " << store.error().detail << '\n';
    return 1;
  }
  out << format_stat((*store)->stat());
  return 0;
}

}  // namespace settle::cli
