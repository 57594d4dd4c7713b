"""An EPICS server for the tests: `python epics_server.py PREFIX`; it says when it is ready."""

import asyncio
import sys

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.asyncio.server import Context
from caproto.server import PVGroup, pvproperty


class Furnace(PVGroup):
    """A furnace: what is put to `FAULT` becomes the severity of the alarm of `TEMP`."""

    temperature = pvproperty(
        value=21.5,
        name="TEMP",
        units="degC",
        precision=3,
        read_only=True,
        dtype=float,
        alarm_group="furnace",
    )
    target = pvproperty(
        value=20.0,
        name="TARGET",
        units="degC",
        precision=1,
        lower_ctrl_limit=0.0,
        upper_ctrl_limit=250.0,
    )
    counts = pvproperty(value=7, name="COUNTS", dtype=int)
    mode = pvproperty(
        value="off", name="MODE", dtype=ChannelType.ENUM, enum_strings=["off", "heating", "error"]
    )
    note = pvproperty(value="ready", name="NOTE", dtype=ChannelType.STRING)
    long_note = pvproperty(value="a longer note", name="LONG", dtype=str, max_length=200)
    spectrum = pvproperty(value=[1.0, 2.0, 4.0], name="SPECTRUM", dtype=float)
    severity = pvproperty(value=0, name="FAULT", dtype=int)

    @target.putter
    async def target(self, _instance, value):
        await self.temperature.write(value + 1.5)
        return value

    @severity.putter
    async def severity(self, _instance, value):
        severity = AlarmSeverity(value)
        status = AlarmStatus.HIHI if value else AlarmStatus.NO_ALARM
        await self.temperature.alarm.write(severity=severity, status=status)
        return value


async def serve(prefix):
    context = Context(Furnace(prefix=prefix).pvdb, interfaces=["127.0.0.1"])

    async def say(_async_library):
        print("ready", flush=True)

    await context.run(log_pv_names=False, startup_hook=say)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
