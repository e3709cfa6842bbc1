# Manual pages and shell completion, written by the command just built from its own option tables.
if(CMAKE_CROSSCOMPILING OR MR_SANITIZE)
    return()
endif()

set(docs ${PROJECT_BINARY_DIR}/docs)
add_custom_command(
    OUTPUT ${docs}/made
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${docs}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${docs}/man1
    COMMAND $<TARGET_FILE:millrace_command> docs man ${docs}/man1
    COMMAND $<TARGET_FILE:millrace_command> docs bash > ${docs}/millrace
    COMMAND $<TARGET_FILE:millrace_command> docs zsh > ${docs}/_millrace
    COMMAND $<TARGET_FILE:millrace_command> docs fish > ${docs}/millrace.fish
    COMMAND ${CMAKE_COMMAND} -E touch ${docs}/made
    DEPENDS millrace_command
    COMMENT "Writing manual pages and shell completion"
    VERBATIM)
add_custom_target(millrace_documentation ALL DEPENDS ${docs}/made)

install(DIRECTORY ${docs}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} FILES_MATCHING PATTERN "*.1")
install(FILES ${docs}/millrace DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${docs}/_millrace DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${docs}/millrace.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
