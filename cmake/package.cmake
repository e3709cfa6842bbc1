# What other builds see of an installed Millrace: headers, library, millrace.pc, and the CMake package.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/millrace)
string(REPLACE ";" " " MR_LIBS_PRIVATE "${MR_LINK_NAMES}")

install(DIRECTORY lib/include/mr DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS millrace EXPORT millraceEngine)
install(TARGETS millrace_headers EXPORT millraceHeaders)
install(EXPORT millraceEngine NAMESPACE millrace:: DESTINATION ${package_dir})
install(EXPORT millraceHeaders NAMESPACE millrace:: DESTINATION ${package_dir})

# The prefix is worked out from where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH MR_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" MR_PC_PREFIX ${MR_PC_PREFIX})
configure_file(cmake/millrace.pc.in millrace.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/millrace.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(cmake/millraceConfig.cmake.in millraceConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(millraceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/millraceConfig.cmake ${PROJECT_BINARY_DIR}/millraceConfigVersion.cmake
        DESTINATION ${package_dir})
