"""Vibrations: the spectrum of the velocities, and of the dipole, beside those of a reference trajectory or method.

    VDOS(ν) ∝ Σ_i m_i ∫ <v_i(0)·v_i(t)> cos(2πνt) dt, normalised to ∫ VDOS dν = 3N
    n(ω) α(ω) = 1/(6 ε₀ V c kT) ∫ <Ṁ(0)·Ṁ(t)> e^{-iωt} dt          (infrared; classical, harmonic quantum correction)

Hann window over `window_fs`. M is the potential's dipole (molecules) or Σ q_i r_i of its charges, over unwrapped
positions; molecules have V = 1/N_A: molar absorption, to base e. A file without velocities gives those half way
between its frames, whose spectrum (sin πνΔt / πνΔt)² is divided out.
M. Thomas, M. Brehm, R. Fligg, P. Vöhringer, B. Kirchner, Phys. Chem. Chem. Phys. 15, 6608 (2013).
"""

from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.correlation import autocorrelation, cosine_spectrum
from cambrian.sample.ensembles import NVT
from cambrian.units import BOLTZMANN, COULOMB
from cambrian.validate.comparison import SHARE
from cambrian.validate.curves import Comparison, Curve, draw_both
from cambrian.validate.start import starting_structure, why_no_motion
from cambrian.validate.trajectory import (
    NOTHING_TO_COMPARE,
    Trajectory,
    has_times,
    produce,
    temperature_of,
    trajectory_of,
)

LIGHT = 2997.92458  # Å/fs
PER_CM = 1e8 / LIGHT  # cm⁻¹ in one fs⁻¹
AVOGADRO = 6.02214076e23
BLOCKS = 4  # parts of a trajectory whose spectra tell the noise
UNITS = {"score": SHARE, "noise": SHARE}
UNITS |= dict.fromkeys(("mean_wavenumber", "highest_wavenumber", "mean_shift", "shift"), (1.0, "1/cm"))
PRACTICALLY_ALL = 0.995  # of the vibrations must lie below what the frames of a reference can show


def vibrational_density(trajectory: Trajectory, window_fs: float) -> Curve:
    """VDOS over wavenumbers in cm⁻¹, per cm⁻¹, normalised to 3N, with its noise from parts of the trajectory.

    Raises UserError for a trajectory shorter than twice the window.
    """
    dt = trajectory.interval_fs
    n_lags = _lags(trajectory, window_fs)
    is_between = trajectory.velocities is None
    velocities = np.diff(trajectory.positions, axis=0) / dt if is_between else np.asarray(trajectory.velocities)
    weighted = np.sqrt(trajectory.masses)[:, None] * velocities
    n_blocks = max(min(BLOCKS, len(weighted) // (2 * n_lags)), 1)
    spectra = []
    for block in np.array_split(weighted, n_blocks):
        correlation = autocorrelation(block, n_lags=n_lags).sum(axis=(1, 2))
        frequencies, spectrum = cosine_spectrum(correlation, dt)
        if is_between:  # differences of positions
            spectrum = spectrum / np.sinc(frequencies * dt) ** 2
        spectra.append(spectrum)
    x = np.asarray(PER_CM * frequencies)
    return _curve(x, np.array(spectra) * 3 * len(trajectory.masses) / (np.mean(spectra, axis=0).sum() * x[1]))


def infrared(trajectory: Trajectory, window_fs: float, temperature_K: float) -> Curve | None:
    """Infrared absorption over cm⁻¹: n α in cm⁻¹ of what is periodic, km/mol per cm⁻¹ of a molecule.

    None where the trajectory holds neither charges nor dipoles.
    """
    dipoles = _dipoles(trajectory)
    if dipoles is None:
        return None
    dt, n_lags = trajectory.interval_fs, _lags(trajectory, window_fs)
    currents = np.diff(dipoles, axis=0) / dt
    n_blocks = max(min(BLOCKS, len(currents) // (2 * n_lags)), 1)
    spectra = []
    for block in np.array_split(currents, n_blocks):
        frequencies, spectrum = cosine_spectrum(autocorrelation(block, n_lags=n_lags).sum(axis=1), dt)
        spectra.append(spectrum / np.sinc(frequencies * dt) ** 2)
    x = np.asarray(PER_CM * frequencies)
    # two-sided spectrum = half of this one; e²/ε₀ = 4π COULOMB; then Å² a molecule
    absorbed = 4 * np.pi * COULOMB / (12 * LIGHT * BOLTZMANN * temperature_K) * np.array(spectra)
    if trajectory.atoms.pbc.all():
        volume = float(np.abs(np.linalg.det(trajectory.cells)).mean())
        return _curve(x, absorbed / volume * 1e8)
    return _curve(x, absorbed * 1e-20 * AVOGADRO * 1e2 * 1e-3)


def _dipoles(trajectory: Trajectory) -> NDArray | None:
    """Dipole of each frame, e Å: that of the potential for molecules, else from its charges."""
    charges, dipole = trajectory.extras.get("charges"), trajectory.extras.get("dipole")
    if dipole is not None and (charges is None or not trajectory.atoms.pbc.any()):
        return dipole
    return None if charges is None else np.einsum("ta,tax->tx", charges, trajectory.positions)


def _lags(trajectory: Trajectory, window_fs: float) -> int:
    n_lags = max(round(window_fs / trajectory.interval_fs), 2)
    if len(trajectory) - 1 < 2 * n_lags:
        raise UserError(
            f"a spectrum with a window of {window_fs:g} fs needs a trajectory of twice that; this one has "
            f"{len(trajectory)} frames, {trajectory.interval_fs:g} fs apart: make window_fs smaller or it longer"
        )
    return n_lags


def _curve(x: NDArray, spectra: NDArray) -> Curve:
    y = spectra.mean(axis=0)
    n = len(spectra)
    error = spectra.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else y
    return Curve(x, y, error, float(np.sqrt(2 / np.pi) * error.sum() / max(np.abs(y).sum(), 1e-300)))


class VibrationalSpectrum(Check):
    """Vibrational density of states and infrared spectrum of dynamics at `temperature_K`, that of the reference or 300.

    The reference is a trajectory with `time_fs` or frames `interval_fs` apart, close enough for the fastest vibration,
    or the method's own run. A resolution of about 33 000/`window_fs` cm⁻¹. `score`, the share of the spectrum that lies
    elsewhere, and `shift` (cm⁻¹), that of its mean, are tolerated beyond the noise.
    """

    def __init__(
        self,
        *,
        temperature_K: float | None = None,
        n_steps: int = 12000,
        timestep_fs: float = 0.5,
        every: int = 4,
        equilibration_fs: float = 1000.0,
        relaxation_fs: float = 1000.0,
        window_fs: float = 1000.0,
        interval_fs: float | None = None,
        frame: int = 0,
        seed: int = 0,
        score: float = 0.2,
        shift: float = 30.0,
    ):
        needed = int(np.ceil(2 * window_fs / timestep_fs)) + every
        if n_steps < needed:
            raise UserError(
                f"a spectrum with a window of {window_fs:g} fs needs a run of twice that: n_steps of {needed} or more, "
                f"not {n_steps}, or a smaller window_fs"
            )
        self.temperature_K, self.n_steps, self.timestep_fs, self.every = temperature_K, n_steps, timestep_fs, every
        self.equilibration_fs, self.relaxation_fs, self.window_fs = equilibration_fs, relaxation_fs, window_fs
        self.interval_fs, self.frame, self.seed = interval_fs, frame, seed
        self.score, self.shift = score, shift

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and compare spectra; raises UserError without a structure, or where the run is too short."""
        start = starting_structure(reference, self.frame)
        assert reference is not None
        temperature = temperature_of(reference) if self.temperature_K is None else self.temperature_K
        share = 1.0 if method is None else 0.5
        found = self._produced(potential, start, temperature, lambda f: progress(share * f))
        if found.stopped:
            return Result(
                "vibrational spectrum", {"score": None}, "failed", f"dynamics with the potential {found.stopped}"
            )
        expected, why = None, ""
        if method is not None:
            expected = self._produced(method, start, temperature, lambda f: progress(0.5 + 0.5 * f))
            if expected.stopped:
                raise UserError(f"dynamics with the reference method {expected.stopped}")
        else:
            expected, why = self._recorded(reference)
        return self._judged(found, expected, why, temperature)

    def _produced(self, driver: Potential | Labeller, start: Atoms, temperature: float, progress) -> Trajectory:
        start.calc = None
        return produce(
            driver,
            start,
            NVT(temperature, relaxation_fs=self.relaxation_fs),
            n_steps=self.n_steps,
            timestep_fs=self.timestep_fs,
            every=self.every,
            equilibration_fs=self.equilibration_fs,
            seed=self.seed,
            watch=_watch(driver, start),
            progress=progress,
        )

    def _recorded(self, reference: Dataset) -> tuple[Trajectory | None, str]:
        """The trajectory of the file, or in words why it is none that shows vibrations."""
        try:
            trajectory = trajectory_of(reference, interval_fs=self.interval_fs)
            _lags(trajectory, self.window_fs)
        except UserError as error:
            return None, str(error)
        return trajectory, ""

    def _judged(self, found: Trajectory, expected: Trajectory | None, why: str, temperature: float) -> Result:
        here = vibrational_density(found, self.window_fs)
        absorption = infrared(found, self.window_fs, temperature)
        figures: dict = {"mean_wavenumber": _mean(here), "highest_wavenumber": _highest(here)}
        figures |= {"spectrum": {"wavenumber": here.x.tolist(), "density": here.y.tolist()}}
        plots: dict = {"vdos": partial(_draw, curve=here, label="VDOS, cm")}
        if absorption is not None:
            unit = "absorption n α, 1/cm" if found.atoms.pbc.all() else "absorption, km/mol per 1/cm"
            figures["infrared"] = {"wavenumber": absorption.x.tolist(), "absorption": absorption.y.tolist()}
            plots["infrared"] = partial(_draw, curve=absorption, label=unit)
        said = f"vibrations reach {figures['highest_wavenumber']:.0f} cm⁻¹, {figures['mean_wavenumber']:.0f} on average"
        if expected is not None and 0.5 / expected.interval_fs * PER_CM < figures["highest_wavenumber"]:
            why = f"frames {expected.interval_fs:g} fs apart do not show them"
            expected = None
        if expected is None:
            return Result(
                "vibrational spectrum",
                figures,
                "no reference",
                f"{said}; no reference: {why}",
                plots=plots,
                units=UNITS,
            )
        there = _onto(vibrational_density(expected, self.window_fs), here)
        c = Comparison.of(here, there)
        shift = _mean(here) - _mean(there)
        noise = np.hypot(here.noise * _mean(here), there.noise * _mean(there)) / np.sqrt(len(here.x))
        verdict: Verdict = c.verdict(self.score)
        if abs(shift) - 2 * noise > self.shift:
            verdict = "failed"
        figures |= {"score": c.score, "noise": c.noise, "mean_shift": shift}
        labels = {"x_label": "wavenumber, 1/cm", "y_label": "VDOS"}
        plots["vdos"] = partial(draw_both, name="cm", found=here, expected=there, **labels)
        sentence = (
            f"{said}, {shift:+.0f} cm⁻¹ from the reference ({self.shift:.0f} tolerated); the spectrum differs by "
            f"{100 * c.score:.2g} %, {100 * c.noise:.2g} % of it noise ({100 * self.score:.2g} % tolerated beyond it)"
        )
        if verdict == "no reference":
            sentence += "; too short to tell"
        known = {"wavenumber": there.x.tolist(), "density": there.y.tolist()}
        tolerance = {"score": self.score, "shift": self.shift}
        return Result("vibrational spectrum", figures, verdict, sentence, {"spectrum": known}, tolerance, plots, UNITS)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Nothing that moves, no trajectory to compare with, or long runs that nobody asked for."""
        reason = why_no_motion(reference, self.frame)
        if reason or reference is None:
            return reason
        if method is not None:
            return "long runs with the potential and with the method take minutes: to run it, name it"
        return self._recorded(reference)[1] if has_times(reference, self.interval_fs) else NOTHING_TO_COMPARE

    @classmethod
    def example(cls) -> "VibrationalSpectrum":
        """A spectrum of 40 fs."""
        return cls(n_steps=200, every=1, equilibration_fs=5.0, window_fs=40.0)


def _watch(driver: Potential | Labeller, start: Atoms) -> dict:
    """Charges and dipole, where the driver has them."""
    probe = start.copy()
    probe.calc = calculator_for(driver, probe)
    probe.get_forces()
    results = _results(probe)
    known = {name for name in ("charges", "dipole") if results.get(name) is not None}
    return {name: partial(_result, name=name) for name in sorted(known)}


def _result(atoms: Atoms, name: str) -> NDArray:
    return _results(atoms)[name]


def _results(atoms: Atoms) -> dict:
    calculator: Any = atoms.calc
    return calculator.results


def _mean(curve: Curve) -> float:
    return float(curve.x @ curve.y / curve.y.sum())


def _highest(curve: Curve) -> float:
    """Wavenumber below which practically all vibrations lie, cm⁻¹."""
    shares = np.cumsum(np.maximum(curve.y, 0))
    return float(curve.x[np.searchsorted(shares, PRACTICALLY_ALL * shares[-1])])


def _onto(curve: Curve, grid: Curve) -> Curve:
    """A spectrum over the wavenumbers of another; nothing beyond its own."""
    y, error = (np.interp(grid.x, curve.x, values, right=0.0) for values in (curve.y, curve.error))
    return Curve(grid.x, y, error, curve.noise)


def _draw(axes, curve: Curve, label: str) -> None:
    shown = curve.x < 1.2 * max(_highest(curve), 100.0)
    axes.plot(curve.x[shown], curve.y[shown])
    axes.set_xlabel("wavenumber, 1/cm")
    axes.set_ylabel(label)
