"""Signal laws: elementwise functions of drives, nodes, other signals and parameters, and their table.

Arrays are (machines, scans) or broadcast to it. A law knows nothing of time, states or sensors;
a kind's YAML file wires laws into a graph. Sources stand with the equations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from fleet.data import Floats
from fleet.scenario.forms import Form, Laws, Take, any_number, measured, plain, share
from fleet.scenario.quantities import RATIO

Law = Callable[..., Floats]

WATER_BAR_PER_M = 0.0981
"""Pressure of one metre of water column, bar."""

LINE_VOLTAGE_V = 400.0


def scaled(of: Floats, by: Floats, plus: Floats) -> Floats:
    """Give ``plus + by * of``."""
    return plus + by * of


def total(a: Floats, b: Floats, c: Floats) -> Floats:
    """Give the sum of three quantities."""
    return a + b + c


def product(a: Floats, b: Floats) -> Floats:
    """Give the product of two quantities."""
    return a * b


def limited(of: Floats, least: Floats, most: Floats) -> Floats:
    """Keep a quantity between *least* and *most*: what a valve or a controller's output cannot exceed."""
    return np.clip(of, least, most)


def motor_current(load: Floats, on: Floats, rated: Floats, idle_share: Floats) -> Floats:
    """Give the current of an induction motor, A: magnetising share at no load, linear to rated.

    ``I = on * (I0 + (In - I0) * load)``, I0 = *idle_share* of In (0.25 to 0.4); *on* is 0 to 1.
    """
    return on * rated * (idle_share + (1.0 - idle_share) * load)


def inrush(current: Floats, rising: Floats, rated: Floats, peak: Floats) -> Floats:
    """Add what a motor draws while it comes up to speed, A: *peak* times its rated current at first.

    *rising* is how far its speed is below what it heads for (``rising.DRIVE``), so the peak decays with the drive's
    settling time: 0.3 to 1 s. *peak* is 5 to 7 started directly on line, 1.5 to 2 by an inverter.
    """
    return current + peak * rated * rising


def three_phase_power(current: Floats, rated: Floats) -> Floats:
    """Give electrical power, kW: ``sqrt(3) * U * I * cos(phi)`` at 400 V.

    The power factor rises with the load, 0.2 idling to 0.86 at rated current.
    """
    share = np.minimum(current / rated, 1.0)
    return (math.sqrt(3) * LINE_VOLTAGE_V / 1000.0) * current * (0.2 + 0.66 * share)


def line_current(power: Floats, cosphi: Floats) -> Floats:
    """Give the current of a three-phase line at 400 V, A, from active *power* (kW) and power factor."""
    return power * (1000.0 / (math.sqrt(3) * LINE_VOLTAGE_V)) / cosphi


def power_factor(load: Floats, idle: Floats, full: Floats) -> Floats:
    """Give the power factor of many loads: *idle* with next to none of them on, *full* with all.

    ``idle + (full - idle) (1 - (1 - load)**2)``: magnetising current, which does not fall with the load, weighs less
    the more of them work.
    """
    spare = 1.0 - np.clip(load, 0.0, 1.0)
    return idle + (full - idle) * (1.0 - spare * spare)


def hydraulic_power(pressure: Floats, flow: Floats, efficiency: Floats) -> Floats:
    """Give the power a hydraulic pump takes, kW: ``p Q / 600 / efficiency``, p in bar, Q in l/min."""
    return pressure * flow / (600.0 * efficiency)


def vibration(speed: Floats, load: Floats, healthy: Floats, exponent: Floats, damage: Floats, growth: Floats) -> Floats:
    """Give vibration velocity, mm/s RMS: ``v0 * s**p * (0.7 + 0.3 u) * (1 + k D)``.

    *speed* is the share of rated speed, *healthy* v0 at rated speed and load, *growth* k the rise at failure.
    """
    turning = np.maximum(speed, 0.0) ** exponent
    return healthy * turning * (0.7 + 0.3 * load) * (1.0 + growth * damage)


def resonance(of: Floats, speed: Floats, at: Floats, damping: Floats) -> Floats:
    """Raise a vibration near the speed *at* which the machine's frame resonates.

    An oscillator's amplification ``1 / sqrt((1 - r**2)**2 + (2 d r)**2)`` at r = speed / at (ISO 2041): 1 far below,
    ``1 / (2 d)`` at the resonance.
    """
    ratio = speed / at
    stiff, damped = 1.0 - ratio * ratio, 2.0 * damping * ratio
    return of / np.sqrt(stiff * stiff + damped * damped)


REFERENCE_AIR = 22.0
"""The air at which a controlled temperature's rise is given, degC."""


def controlled(air: Floats, rise: Floats, full: Floats) -> Floats:
    """Give a controlled temperature, degC: *full* above 22 degC whatever the *air* does, the air's own without heat.

    ``22 + rise + (air - 22) (1 - rise / full)``: what the controller makes up for is the share that it heats.
    """
    return REFERENCE_AIR + rise + (air - REFERENCE_AIR) * (1.0 - rise / full)


def two_node(air: Floats, frame: Floats, winding: Floats) -> Floats:
    """Give a motor's winding temperature, degC: the air, the frame's rise over it, the winding's over the frame.

    Two thermal nodes answer with two exponentials; here they are two slow nodes of the kind, added (Foster's form).
    """
    return air + frame + winding


def relative_humidity(air: Floats, dew_point: Floats) -> Floats:
    """Give relative humidity, %: the vapour pressure at *dew_point* over that at saturation, both degC.

    Magnus' formula with the constants of Alduchov and Eskridge, 1996: 17.625 and 243.04 degC.
    """
    return 100.0 * np.exp(17.625 * (dew_point / (243.04 + dew_point) - air / (243.04 + air)))


_TURN_MIN = 1e-9
"""A part of a turn is never shorter: nothing divides by 0 where a compressor always runs loaded, or never."""


def receiver_pressure(phase: Floats, duty: Floats, unloaded: Floats, loaded: Floats) -> Floats:
    """Give the pressure of an air receiver, bar: up from *loaded* to *unloaded* while air flows in, then down again.

    A compressor runs loaded for the share *duty* of its turn and unloaded for the rest; *phase* is the place in it.
    ``V dp/dt = R T (m_in - m_out)`` with constant flows: a sawtooth between the two pressures that switch it.
    """
    up, down = np.maximum(duty, _TURN_MIN), np.maximum(1.0 - duty, _TURN_MIN)
    filled = np.where(phase < duty, phase / up, (1.0 - phase) / down)
    return loaded + (unloaded - loaded) * filled


def runs_loaded(phase: Floats, duty: Floats) -> Floats:
    """Say whether a compressor runs loaded (1) or unloaded (0) at *phase* of its turn."""
    return (phase < duty).astype(np.float64)


def warmed(air: Floats, rise: Floats, damage: Floats, wear_rise: Floats, on: Floats) -> Floats:
    """Give a temperature, degC: the hall's air, the rise by losses, and friction of a worn part while it turns."""
    return air + rise + wear_rise * damage * on


def pump_flow(
    speed: Floats, valve: Floats, shutoff_head: Floats, curve: Floats, static_head: Floats, system: Floats
) -> Floats:
    """Give the flow where a pump's curve meets the system's, m3/h.

    Pump ``H = H0 s**2 - a Q**2`` (affinity laws), system ``H = Hs + k Q**2 / valve**2``: the quadratic's root.
    Heads in m, *curve* a and *system* k in m per (m3/h)**2; no flow below the static head.
    """
    lift = np.maximum(shutoff_head * speed * speed - static_head, 0.0)
    return np.sqrt(lift / (curve + system / np.maximum(valve * valve, 0.01)))


def pump_pressure(suction: Floats, speed: Floats, flow: Floats, shutoff_head: Floats, curve: Floats) -> Floats:
    """Give discharge pressure, bar: suction plus the head of the pump at *flow*."""
    head = np.maximum(shutoff_head * speed * speed - curve * flow * flow, 0.0)
    return suction + WATER_BAR_PER_M * head


def ripple(time: Floats, of: Floats, amplitude: Floats, period: Floats) -> Floats:
    """Add a controller's limit cycle to a quantity: a sine of *amplitude* and *period* (s)."""
    return of + amplitude * np.sin((2.0 * math.pi) * (time / period))


LAWS: Mapping[str, Law] = {
    "scaled": scaled,
    "total": total,
    "product": product,
    "limited": limited,
    "motor_current": motor_current,
    "inrush": inrush,
    "three_phase_power": three_phase_power,
    "line_current": line_current,
    "power_factor": power_factor,
    "hydraulic_power": hydraulic_power,
    "vibration": vibration,
    "resonance": resonance,
    "warmed": warmed,
    "controlled": controlled,
    "two_node": two_node,
    "relative_humidity": relative_humidity,
    "receiver_pressure": receiver_pressure,
    "runs_loaded": runs_loaded,
    "pump_flow": pump_flow,
    "pump_pressure": pump_pressure,
    "ripple": ripple,
}

RATED = measured("current", above=0)
DAMPED, EFFICIENCY = share(above=0), share(above=0, most=1)
PLAIN_SIZE = share(least=0)
HEAD, SYSTEM = plain("m", above=0), plain("m per (m3/h)^2", above=0)
AIR, RISE = measured("temperature"), measured("difference")

LAW_INPUTS: Laws = {
    "scaled": Form({"of": any_number(), "by": any_number(), "plus": any_number()}, (("plus",), ("by", "of"))),
    "total": Form({"a": any_number(), "b": any_number(), "c": any_number()}, (("a",), ("b",), ("c",))),
    "product": Form({"a": any_number(), "b": any_number()}, (("a", "b"),)),
    "limited": Form({"of": any_number(), "least": any_number(), "most": any_number()}, (("of",),)),
    "motor_current": Form(
        {"load": share(), "on": share(), "rated": RATED, "idle_share": share(least=0, most=1)}, "current"
    ),
    "inrush": Form({"current": measured("current"), "rising": share(), "rated": RATED, "peak": PLAIN_SIZE}, "current"),
    "three_phase_power": Form({"current": measured("current"), "rated": RATED}, "power"),
    "line_current": Form({"power": measured("power"), "cosphi": EFFICIENCY}, "current"),
    "power_factor": Form({"load": share(), "idle": EFFICIENCY, "full": EFFICIENCY}, RATIO.name),
    "hydraulic_power": Form(
        {"pressure": measured("pressure"), "flow": plain("l/min"), "efficiency": EFFICIENCY}, "power"
    ),
    "vibration": Form(
        {
            "speed": share(),
            "load": share(),
            "healthy": measured("vibration", least=0),
            "exponent": PLAIN_SIZE,
            "damage": share(),
            "growth": PLAIN_SIZE,
        },
        "vibration",
    ),
    "resonance": Form(
        {"of": any_number(), "speed": any_number(), "at": Take(like="speed", above=0), "damping": DAMPED}, (("of",),)
    ),
    "warmed": Form(
        {"air": any_number(), "rise": any_number(), "damage": share(), "wear_rise": any_number(), "on": share()},
        (("air",), ("rise",), ("wear_rise", "damage", "on")),
    ),
    "controlled": Form({"air": AIR, "rise": RISE, "full": measured("difference", above=0)}, "temperature"),
    "two_node": Form({"air": AIR, "frame": RISE, "winding": RISE}, "temperature"),
    "relative_humidity": Form({"air": AIR, "dew_point": AIR}, "humidity"),
    "receiver_pressure": Form(
        {
            "phase": share(),
            "duty": share(),
            "unloaded": measured("pressure", above=0),
            "loaded": measured("pressure", above=0),
        },
        "pressure",
    ),
    "runs_loaded": Form({"phase": share(), "duty": share()}, RATIO.name),
    "pump_flow": Form(
        {
            "speed": share(),
            "valve": share(),
            "shutoff_head": HEAD,
            "curve": SYSTEM,
            "static_head": plain("m", least=0),
            "system": plain("m per (m3/h)^2", least=0),
        },
        "flow",
    ),
    "pump_pressure": Form(
        {
            "suction": measured("pressure"),
            "speed": share(),
            "flow": measured("flow"),
            "shutoff_head": HEAD,
            "curve": SYSTEM,
        },
        "pressure",
    ),
    "ripple": Form(
        {
            "time": measured("duration"),
            "of": any_number(),
            "amplitude": any_number(),
            "period": measured("duration", above=0),
        },
        (("of",), ("amplitude",)),
    ),
}
"""What each law takes and gives, by its name: dimensions and ranges. The scenario loader checks kinds against it."""
