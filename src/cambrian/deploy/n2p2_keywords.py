"""`input.nn` of n2p2 and RuNNer: one keyword a line with its words, comments behind # or !.

Every keyword is one of: read here; of no effect on energies and forces (training, output), and told; or refused, since
without it the energies would be others.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from cambrian.errors import UserError

ALIASES = {
    "symfunction": "symfunction_short",
    "nnp_generation": "nnp_type",
    "nnp_type_gen": "nnp_type",
    "nnp_gen": "nnp_type",
    "scale_min_short_atomic": "scale_min_short",
    "scale_max_short_atomic": "scale_max_short",
}
READ = {
    *("number_of_elements", "elements", "atom_energy", "cutoff_type", "nnp_type", "normalize_nodes"),
    *("symfunction_short", "element_symfunction_short", "global_symfunction_short"),
    *("center_symmetry_functions", "scale_symmetry_functions", "scale_symmetry_functions_sigma"),
    *("scale_min_short", "scale_max_short", "mean_energy", "conv_energy", "conv_length"),
    *(f"{whose}_{what}_short" for whose in ("global", "element") for what in ("hidden_layers", "nodes", "activation")),
}
REPEATED = {
    *("symfunction_short", "element_symfunction_short", "global_symfunction_short", "atom_energy"),
    *("element_hidden_layers_short", "element_nodes_short", "element_activation_short"),
}
CHARGES = "charges and their electrostatics"
REFUSED = {
    "use_electrostatics": CHARGES,
    "electrostatic_type": CHARGES,
    "use_fixed_charges": CHARGES,
    "fixed_charge": CHARGES,
    "use_vdw": "dispersion terms",
    "vdw_type": "dispersion terms",
    "pairsymfunction_short": "networks of pairs of atoms",
    "element_pairsymfunction_short": "networks of pairs of atoms",
    "global_pairsymfunction_short": "networks of pairs of atoms",
}
WITHOUT_EFFECT = {
    *("random_seed", "random_number_type", "test_fraction", "epochs", "normalize_data_set", "use_short_forces"),
    *("rmse_threshold", "rmse_threshold_energy", "rmse_threshold_force", "rmse_threshold_charge"),
    *("rmse_threshold_trials", "rmse_threshold_trials_energy", "rmse_threshold_trials_force"),
    *("rmse_threshold_trials_charge", "energy_fraction", "force_fraction", "force_energy_ratio", "charge_fraction"),
    *("short_energy_error_threshold", "short_force_error_threshold", "short_energy_fraction", "short_force_fraction"),
    *("use_old_weights_short", "use_old_weights_charge", "weights_min", "weights_max", "initial_hardness"),
    *("nguyen_widrow_weights_short", "nguyen_widrow_weights_charge", "precondition_weights", "main_error_metric"),
    *("write_trainpoints", "write_trainforces", "write_traincharges", "write_weights_epoch", "write_neuronstats"),
    *("write_trainlog", "repeated_energy_update", "updater_type", "parallel_mode", "jacobian_mode"),
    *("update_strategy", "selection_mode", "selection_mode_energy", "selection_mode_force", "selection_mode_charge"),
    *("task_batch_size_energy", "task_batch_size_force", "task_batch_size_charge", "gradient_type", "gradient_eta"),
    *("gradient_adam_eta", "gradient_adam_beta1", "gradient_adam_beta2", "gradient_adam_epsilon", "kalman_type"),
    *("kalman_epsilon", "kalman_eta", "kalman_etatau", "kalman_etamax", "kalman_q0", "kalman_qtau", "kalman_qmin"),
    *("kalman_lambda_short", "kalman_nue_short", "kalman_lambda_charge", "kalman_nue_charge", "force_weight"),
    *("memorize_symfunc_results", "conv_charge", "fixed_gausswidth", "ewald_truncation_error_method", "ewald_prec"),
    *("screen_electrostatics", "four_pi_epsilon", "global_hidden_layers_electrostatic", "global_nodes_electrostatic"),
    *("global_activation_electrostatic", "element_hidden_layers_electrostatic", "element_nodes_electrostatic"),
    *("element_activation_electrostatic", "runner_mode", "use_short_nn", "points_in_memory", "mix_all_points"),
    *("optmode_short_energy", "optmode_short_force", "fitting_unit", "energy_threshold", "bond_threshold"),
    *("calculate_forces", "regularize_fit_param", "remove_atom_energies", "nn_type_short", "nnp_type_short"),
}
OFF = ("f", "false", ".false.", "0", "no")


@dataclass(frozen=True)
class Line:
    """A keyword with its words, and where it stands."""

    where: str
    keyword: str
    words: tuple[str, ...]

    def wrong(self, text: str) -> UserError:
        """An error that names file and line."""
        return UserError(f"{self.where}: {self.keyword} {text}")

    def number(self, k: int) -> float:
        """Word k as a finite number."""
        try:
            value = float(self.words[k])
        except IndexError:
            raise self.wrong(f"has {len(self.words)} values, at least {k + 1} are needed") from None
        except ValueError:
            raise self.wrong(f"needs a number where '{self.words[k]}' stands") from None
        if not math.isfinite(value):
            raise self.wrong(f"needs a finite number where '{self.words[k]}' stands")
        return value

    def whole(self, k: int) -> int:
        """Word k as a whole number."""
        if self.number(k) != int(self.number(k)):
            raise self.wrong(f"needs a whole number where '{self.words[k]}' stands")
        return int(self.number(k))


class Keywords:
    """The lines of an input.nn."""

    def __init__(self, path: Path):
        self.path = path
        self.lines: dict[str, list[Line]] = {}
        for where, text in numbered(path):
            keyword, *words = text.split("!")[0].split() or [""]
            if keyword:
                line = Line(where, keyword, tuple(words))
                self.lines.setdefault(ALIASES.get(keyword, keyword), []).append(line)
        for keyword, lines in self.lines.items():
            if keyword in READ - REPEATED and len(lines) > 1:
                raise lines[1].wrong(f"stands there twice, first in {lines[0].where}; keep one")

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.lines

    def all(self, keyword: str) -> list[Line]:
        """All lines of a keyword that may be repeated."""
        return self.lines.get(keyword, [])

    def one(self, keyword: str) -> Line:
        """The line of a keyword that is needed; raises UserError where it is missing."""
        if keyword not in self.lines:
            raise UserError(f"{self.path}: the keyword {keyword} is missing")
        return self.lines[keyword][0]

    def value(self, keyword: str, default: float) -> float:
        """The number behind a keyword, or the default."""
        return self.one(keyword).number(0) if keyword in self else default

    def refuse_other_physics(self) -> None:
        """Raise UserError for a line that makes the energies other than those of a short-range network."""
        for keyword, lines in self.lines.items():
            first = next(iter(lines[0].words), "")
            if keyword == "nnp_type" and first not in ("2", "2G-HDNNP"):
                raise lines[0].wrong(f"{first}: networks with {CHARGES} (3G, 4G) cannot be imported, only 2G")
            if keyword in REFUSED and first.lower() not in OFF:
                raise lines[0].wrong(f"stands for {REFUSED[keyword]}, which cannot be imported")
            if keyword == "use_short_nn" and first.lower() in OFF:
                raise lines[0].wrong("switches the short-range network off; there is nothing else to import")
            if keyword in ("nn_type_short", "nnp_type_short") and first != "1":
                raise lines[0].wrong(f"{first}: networks of pairs of atoms cannot be imported, only those of atoms (1)")

    def ignored(self) -> list[str]:
        """Keywords without effect on energies and forces."""
        return sorted(k for k in self.lines if k in WITHOUT_EFFECT or k in REFUSED)

    def unknown(self) -> list[str]:
        """Keywords that nobody knows, which n2p2 leaves aside too."""
        return sorted(k for k in self.lines if k not in READ | WITHOUT_EFFECT | set(REFUSED))


def numbered(path: Path) -> list[tuple[str, str]]:
    """Lines of a file without comments, each with its place; raises UserError for a file that cannot be read."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        raise UserError(f"there is no {path}; a potential of n2p2 has it") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    return [(f"{path}, line {n}", line.split("#")[0]) for n, line in enumerate(text.splitlines(), start=1)]
