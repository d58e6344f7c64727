"""systemd as Belay asks for it over D-Bus, with one service, on a message bus of the test's own: fake_systemd.py SOCKET UNIT URL.

Restarting the service is asking URL, as the operator's server there then looks at `current` again. Says "ready" when it can be asked.
tests/system has the real one."""
import os
import subprocess
import sys
import tempfile
import urllib.request

BUS = """<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>"""
MANAGER = "org.freedesktop.systemd1.Manager"
PATH = "/org/freedesktop/systemd1"


def main(socket, unit, url):
    import dbus
    import dbus.mainloop.glib
    import dbus.service
    from gi.repository import GLib

    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(BUS % socket)
        file.flush()
        daemon = subprocess.Popen(["dbus-daemon", "--config-file", file.name, "--nofork", "--nosyslog", "--print-address"],
                                  stdout=subprocess.PIPE, text=True)
        daemon.stdout.readline()
    os.chmod(socket, 0o666)
    bus = dbus.bus.BusConnection(f"unix:path={socket}", mainloop=dbus.mainloop.glib.DBusGMainLoop())
    name = dbus.service.BusName("org.freedesktop.systemd1", bus)

    class Unit(dbus.service.Object):
        starts = 0

        @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="s", out_signature="a{sv}")
        def GetAll(self, interface):
            return {"Id": unit, "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success",
                    "CanReload": dbus.Boolean(True), "MainPID": dbus.UInt32(100 + self.starts), "NRestarts": dbus.UInt32(0),
                    "InvocationID": dbus.Array([self.starts + 1] * 16, signature="y"),
                    "Job": dbus.Struct((dbus.UInt32(0), dbus.ObjectPath("/")), signature="uo")}

        @dbus.service.signal("org.freedesktop.DBus.Properties", signature="sa{sv}as")
        def PropertiesChanged(self, interface, changed, invalidated):
            pass

    class Manager(dbus.service.Object):
        jobs = 0

        @dbus.service.method(MANAGER, in_signature="s", out_signature="o")
        def LoadUnit(self, asked):
            return dbus.ObjectPath(PATH + "/unit/the")

        @dbus.service.method(MANAGER)
        def Subscribe(self):
            pass

        @dbus.service.method(MANAGER, in_signature="s")
        def ResetFailedUnit(self, asked):
            pass

        @dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
        def RestartUnit(self, asked, mode):
            Manager.jobs += 1
            job = dbus.ObjectPath(f"{PATH}/job/{Manager.jobs}")

            def end():
                urllib.request.urlopen(url, timeout=5).read()
                service.starts += 1
                service.PropertiesChanged("org.freedesktop.systemd1.Service", {"MainPID": dbus.UInt32(100 + service.starts)}, [])
                self.JobRemoved(dbus.UInt32(Manager.jobs), job, asked, "done")
            GLib.timeout_add(100, end)
            return job

        @dbus.service.signal(MANAGER, signature="uoss")
        def JobRemoved(self, number, job, asked, result):
            pass

    service = Unit(bus, PATH + "/unit/the")
    manager = Manager(bus, PATH)
    print("ready", flush=True)
    try:
        GLib.MainLoop().run()
    finally:
        daemon.kill()
        daemon.wait()
        del name, manager


if __name__ == "__main__":
    main(*sys.argv[1:])
