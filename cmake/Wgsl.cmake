# SPDX-License-Identifier: MIT
# WGSL's compiler, naga, as one object file: repartir_wgsl_object holds its path, empty where WGSL
# is not built in. Cargo fetches the crates when CMake configures: building needs no network.
set(REPARTIR_WGSL AUTO CACHE STRING
    "build the compiler of WGSL in: ON, OFF, or AUTO: where cargo is and can fetch its crates")
set_property(CACHE REPARTIR_WGSL PROPERTY STRINGS AUTO ON OFF)
find_program(REPARTIR_CARGO cargo DOC "Rust's package manager, 1.87 or later, for WGSL")

set(repartir_wgsl_object "")
set(crate ${PROJECT_SOURCE_DIR}/src/exec/gpu/wgsl)
set(script ${PROJECT_SOURCE_DIR}/cmake/wgsl.sh)
# Presets share one folder: what is built there does not depend on them.
cmake_path(IS_PREFIX PROJECT_SOURCE_DIR ${PROJECT_BINARY_DIR} in_tree)
set(work ${PROJECT_BINARY_DIR}/wgsl)
if(in_tree)
    set(work ${PROJECT_SOURCE_DIR}/build/wgsl)
endif()

set(why_not "")
set(version "")
if(REPARTIR_CARGO)
    execute_process(COMMAND ${REPARTIR_CARGO} --version OUTPUT_VARIABLE version ERROR_QUIET)
    string(REGEX MATCH "[0-9]+[.][0-9]+" version "${version}")
endif()
if(NOT REPARTIR_WGSL)
    set(why_not "REPARTIR_WGSL is ${REPARTIR_WGSL}")
elseif(NOT REPARTIR_CARGO)
    set(why_not "there is no cargo (Debian: cargo-web)")
elseif(version VERSION_LESS 1.87)
    set(why_not "${REPARTIR_CARGO} is of version ${version}; 1.87 is needed (Debian: cargo-web)")
else()
    execute_process(COMMAND ${script} fetch ${REPARTIR_CARGO} ${crate} ${work}
        RESULT_VARIABLE fetched ERROR_VARIABLE told OUTPUT_VARIABLE told TIMEOUT 300)
    if(fetched EQUAL 3)
        message(FATAL_ERROR "The crates that ${crate}/Cargo.toml leads to are not those of "
            "crates.txt beside it. Look at why, or set REPARTIR_WGSL to OFF.")
    elseif(NOT fetched EQUAL 0)
        string(REGEX REPLACE "[\n ]+" " " told "${told}")
        set(why_not "${REPARTIR_CARGO} cannot fetch its crates: ${told}")
    endif()
endif()

if(why_not STREQUAL "")
    set(repartir_wgsl_object ${work}/repartir_wgsl.o)
    add_custom_command(OUTPUT ${repartir_wgsl_object}
        COMMAND ${script} build ${REPARTIR_CARGO} ${crate} ${work}
        DEPENDS ${script} ${crate}/Cargo.toml ${crate}/crates.txt ${crate}/src/lib.rs
        COMMENT "Building the compiler of WGSL"
        VERBATIM)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
        ${crate}/Cargo.toml ${crate}/crates.txt)
elseif(REPARTIR_WGSL STREQUAL "AUTO")
    message(NOTICE "WGSL is not built in: ${why_not}")
elseif(REPARTIR_WGSL)
    message(FATAL_ERROR "WGSL cannot be built in: ${why_not}")
endif()
