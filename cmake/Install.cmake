# SPDX-License-Identifier: MIT
# What `cmake --install` gives: headers, one static library per room, the program, a CMake package
# (find_package(repartir) gives repartir::repartir), a pkg-config file, man page and completions.
include(CMakePackageConfigHelpers)

# The rooms that a program links; the command line's own room stays inside the program.
get_property(repartir_rooms GLOBAL PROPERTY REPARTIR_ROOMS)
list(REMOVE_ITEM repartir_rooms repartir_cli)
set(repartir_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/repartir)

target_include_directories(repartir INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(repartir INTERFACE ${repartir_rooms})
foreach(room ${repartir_rooms})
    string(REGEX REPLACE "^repartir_" "" export_name ${room})
    set_target_properties(${room} PROPERTIES EXPORT_NAME ${export_name})
endforeach()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/repartir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.hpp")
install(TARGETS repartir repartir_options ${repartir_rooms} EXPORT repartirTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT repartirTargets NAMESPACE repartir:: DESTINATION ${repartir_package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/repartirConfig.cmake.in
    ${PROJECT_BINARY_DIR}/repartirConfig.cmake INSTALL_DESTINATION ${repartir_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/repartirConfigVersion.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/repartirConfig.cmake
    ${PROJECT_BINARY_DIR}/repartirConfigVersion.cmake DESTINATION ${repartir_package_dir})

# pkg-config: a linker reads static libraries once, so a room comes before those that it uses.
set(repartir_pc_libs "")
foreach(room ${repartir_rooms})
    string(PREPEND repartir_pc_libs "-l${room} ")
endforeach()
file(RELATIVE_PATH repartir_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/repartir.pc.in ${PROJECT_BINARY_DIR}/repartir.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/repartir.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR})
# The pages that --help and the man page name.
install(FILES ${PROJECT_SOURCE_DIR}/docs/gpu.md ${PROJECT_SOURCE_DIR}/docs/json-schema.md
    ${PROJECT_SOURCE_DIR}/docs/kernels.md
    ${PROJECT_SOURCE_DIR}/docs/limits.md ${PROJECT_SOURCE_DIR}/docs/resume-log.md
    ${PROJECT_SOURCE_DIR}/docs/security.md ${PROJECT_SOURCE_DIR}/docs/workers.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)

install(FILES ${PROJECT_SOURCE_DIR}/deploy/repartir-worker.service
    DESTINATION ${CMAKE_INSTALL_DATADIR}/repartir)

# The program writes its own man page and completions, so that they cannot disagree with --help.
if(TARGET repartir_program)
    install(TARGETS repartir_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    set(generated ${PROJECT_BINARY_DIR}/generated)
    file(MAKE_DIRECTORY ${generated})
    add_custom_command(
        OUTPUT ${generated}/repartir.1 ${generated}/repartir.bash ${generated}/_repartir
        COMMAND repartir_program man > ${generated}/repartir.1
        COMMAND repartir_program completion bash > ${generated}/repartir.bash
        COMMAND repartir_program completion zsh > ${generated}/_repartir
        DEPENDS repartir_program
        COMMENT "Writing man page and completions"
        VERBATIM)
    add_custom_target(repartir_pages ALL DEPENDS ${generated}/repartir.1)
    install(FILES ${generated}/repartir.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${generated}/repartir.bash RENAME repartir
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${generated}/_repartir DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
