# SPDX-License-Identifier: MIT
# A room is a folder under src/: one static library, and one test program from its *_test.cpp.

add_library(repartir_options INTERFACE)
target_compile_features(repartir_options INTERFACE cxx_std_23)
target_include_directories(repartir_options INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>)
target_include_directories(repartir_options INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/src>)
target_compile_options(repartir_options INTERFACE
    $<BUILD_INTERFACE:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror>
    $<BUILD_INTERFACE:-fstack-protector-strong -fstack-clash-protection>
    $<BUILD_INTERFACE:-ftrivial-auto-var-init=zero>
    $<BUILD_INTERFACE:-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86")
    target_compile_options(repartir_options INTERFACE $<BUILD_INTERFACE:-fcf-protection=full>)
endif()

# repartir_room(<name> SOURCES a.cpp... [TESTS a_test.cpp...] [DEPS rooms or targets...])
#   library repartir_<name>; test program <name>_test, run by ctest as unit.<name> with label unit.
function(repartir_room name)
    cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;DEPS" ${ARGN})
    add_library(repartir_${name} STATIC ${ROOM_SOURCES})
    target_link_libraries(repartir_${name} PUBLIC repartir_options ${ROOM_DEPS})
    set_target_properties(repartir_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    set_property(GLOBAL APPEND PROPERTY REPARTIR_ROOMS repartir_${name})
    if(REPARTIR_TESTS AND ROOM_TESTS)
        add_executable(${name}_test ${ROOM_TESTS})
        target_link_libraries(${name}_test PRIVATE repartir_${name} GTest::gmock GTest::gtest_main)
        add_test(NAME unit.${name} COMMAND ${name}_test)
        set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
    endif()
endfunction()
