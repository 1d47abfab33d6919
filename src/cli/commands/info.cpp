// SPDX-License-Identifier: MIT
#include "cli/commands/info.hpp"

#include "cli/commands/gpu.hpp"
#include "cli/exit_code.hpp"
#include "cli/machine_report.hpp"
#include "cli/plain_output.hpp"

namespace repartir::cli {

int info_command(const Parsed& parsed) {
    MachineReport report = read_machine();
    report.gpus = find_gpus(parsed.on(Opt::gpu_allow_cpu));
    return print(parsed.on(Opt::json) ? report_json(report) : report_text(report)) ? exit_ok
                                                                                   : exit_failed;
}

}  // namespace repartir::cli
