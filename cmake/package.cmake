# What an installation holds besides the programs, and the Debian package that CPack makes of it (scripts/package).
install(FILES config/belay.toml config/known_hosts DESTINATION ${CMAKE_INSTALL_DATADIR}/belay)
install(FILES README.md CHANGELOG.md docs/commands.md docs/configuration.md docs/metrics.md docs/operations.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES config/belay.toml config/apps/example.toml config/prometheus-rules.yml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(PROGRAMS packaging/first-configuration DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/belay)
install(FILES packaging/sysusers.d/belay.conf DESTINATION lib/sysusers.d)
install(FILES packaging/tmpfiles.d/belay.conf DESTINATION lib/tmpfiles.d)

# Made from the programs and the documents themselves, so that there is one text of each.
find_program(PANDOC pandoc)
set(extras ${CMAKE_CURRENT_BINARY_DIR}/extras)
set(made)
foreach(shell IN ITEMS bash zsh fish)
  add_custom_command(OUTPUT ${extras}/completion.${shell}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${extras}
    COMMAND belay completion ${shell} > ${extras}/completion.${shell}
    DEPENDS belay VERBATIM)
  list(APPEND made ${extras}/completion.${shell})
endforeach()
# A page of the manual is a document with its NAME, by which man -k finds it.
if(PANDOC)
  foreach(page IN ITEMS "belay.1|commands.md|the command line of a self-hosted continuous deployment daemon"
                        "belay.toml.5|configuration.md|the configuration of belay and of its apps")
    string(REGEX MATCH "^(([^|]*)\\.([0-9]))\\|([^|]*)\\|(.*)$" matched ${page})
    set(file ${CMAKE_MATCH_1})
    set(title ${CMAKE_MATCH_2})
    set(section ${CMAKE_MATCH_3})
    set(document ${PROJECT_SOURCE_DIR}/docs/${CMAKE_MATCH_4})
    file(CONFIGURE OUTPUT ${extras}/${title}.name.md CONTENT "# NAME\n\n${title} - ${CMAKE_MATCH_5}\n\n")
    add_custom_command(OUTPUT ${extras}/${file}.gz
      COMMAND ${PANDOC} -s -f gfm -t man -M title=${title} -M section=${section} -M "footer=belay ${PROJECT_VERSION}"
              -o ${extras}/${file} ${extras}/${title}.name.md ${document}
      COMMAND gzip -9nf ${extras}/${file}
      DEPENDS ${document} ${extras}/${title}.name.md VERBATIM)
    list(APPEND made ${extras}/${file}.gz)
  endforeach()
endif()
string(TIMESTAMP BELAY_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(packaging/debian/changelog.in ${extras}/changelog @ONLY)
add_custom_command(OUTPUT ${extras}/changelog.gz COMMAND gzip -9nkf ${extras}/changelog DEPENDS ${extras}/changelog VERBATIM)
list(APPEND made ${extras}/changelog.gz)
add_custom_target(extras DEPENDS ${made})
install(FILES ${extras}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME belay OPTIONAL)
install(FILES ${extras}/completion.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _belay OPTIONAL)
install(FILES ${extras}/completion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME belay.fish OPTIONAL)
install(FILES ${extras}/belay.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)
install(FILES ${extras}/belay.toml.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 OPTIONAL)

# systemd reads its units at one fixed place, whatever the prefix.
option(BELAY_SYSTEM_FILES "Install the systemd units and /etc/belay/known_hosts as a package does" OFF)
if(BELAY_SYSTEM_FILES)
  install(FILES packaging/systemd/belay.service packaging/systemd/belay-groups.service packaging/systemd/belay-proxy.service DESTINATION /lib/systemd/system)
  install(PROGRAMS packaging/systemd/belay-generator DESTINATION /lib/systemd/system-generators)
  install(FILES config/known_hosts DESTINATION /etc/belay)
  install(FILES ${extras}/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
  install(FILES packaging/debian/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
  install(FILES packaging/debian/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME belay)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME belay)
set(CPACK_PACKAGE_VENDOR "The Belay authors")
set(CPACK_PACKAGE_CONTACT "The Belay authors <belay@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "self-hosted continuous deployment: every healthy git push goes live")
set(CPACK_PACKAGE_DESCRIPTION "A daemon that takes webhooks of git forges, builds and tests each push,
starts it beside the live release, and moves the traffic over once it is
proven healthy. If anything goes wrong at any moment, the last healthy
release stays live. Without containers or a cluster.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# libcurl is loaded when it is needed, which dpkg-shlibdeps does not see
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libcurl4 | libcurl3-gnutls, git, openssh-client, ca-certificates, init-system-helpers (>= 1.54), systemd (>= 252)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/packaging/debian/postinst ${PROJECT_SOURCE_DIR}/packaging/debian/prerm
  ${PROJECT_SOURCE_DIR}/packaging/debian/postrm ${PROJECT_SOURCE_DIR}/packaging/debian/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
