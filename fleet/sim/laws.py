"""Signal laws: elementwise functions of drives, nodes, other signals and parameters, and their table.

Arrays are (machines, scans) or broadcast to it. A law knows nothing of time, states or sensors;
a kind's YAML file wires laws into a graph. Sources stand with the equations.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping

import numpy as np

from fleet.data import Floats

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


def motor_current(load: Floats, on: Floats, rated: Floats, idle_share: Floats) -> Floats:
    """Give the current of an induction motor, A: magnetising share at no load, linear to rated.

    ``I = on * (I0 + (In - I0) * load)``, I0 = *idle_share* of In (0.25 to 0.4); *on* is 0 to 1.
    """
    return on * rated * (idle_share + (1.0 - idle_share) * load)


def three_phase_power(current: Floats, rated: Floats) -> Floats:
    """Give electrical power, kW: ``sqrt(3) * U * I * cos(phi)`` at 400 V.

    The power factor rises with the load, 0.2 idling to 0.86 at rated current.
    """
    share = np.minimum(current / rated, 1.0)
    return (math.sqrt(3) * LINE_VOLTAGE_V / 1000.0) * current * (0.2 + 0.66 * share)


def vibration(speed: Floats, load: Floats, healthy: Floats, exponent: Floats, damage: Floats, growth: Floats) -> Floats:
    """Give vibration velocity, mm/s RMS: ``v0 * s**p * (0.7 + 0.3 u) * (1 + k D)``.

    *speed* is the share of rated speed, *healthy* v0 at rated speed and load, *growth* k the rise at failure.
    """
    turning = np.maximum(speed, 0.0) ** exponent
    return healthy * turning * (0.7 + 0.3 * load) * (1.0 + growth * damage)


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
    "motor_current": motor_current,
    "three_phase_power": three_phase_power,
    "vibration": vibration,
    "warmed": warmed,
    "pump_flow": pump_flow,
    "pump_pressure": pump_pressure,
    "ripple": ripple,
}

LAW_INPUTS: Mapping[str, frozenset[str]] = {
    name: frozenset(inspect.signature(law).parameters) for name, law in LAWS.items()
}
"""The inputs each law takes; the scenario loader checks kinds against it."""
