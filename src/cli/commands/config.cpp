// SPDX-License-Identifier: MIT
#include "cli/commands/config.hpp"

#include "cli/config_file.hpp"
#include "cli/config_report.hpp"
#include "cli/exit_code.hpp"
#include "cli/options.hpp"
#include "cli/plain_output.hpp"
#include "cli/worker_config.hpp"

namespace repartir::cli {

int config_show_command(Parsed parsed, const EnvLookup& env) {
    const CommandSpec& command = *find_command("config show");
    const Result<std::string> file = add_config_file(command, env, parsed);
    if (!file) {
        complain(file.error().describe());
        return exit_usage;
    }
    if (const Result<WorkerConfig> config = read_worker_config(parsed); !config) {
        complain(config.error().describe());
        return exit_usage;
    }
    const std::string text = parsed.on(Opt::json)
                                 ? config_json(command, parsed, *file)
                                 : config_text(command, parsed, *file, parsed.on(Opt::origin));
    return print(text) ? exit_ok : exit_failed;
}

}  // namespace repartir::cli
