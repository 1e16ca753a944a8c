"""What a pickled model may name: the classes and reconstructors of known model libraries, and nothing that acts.

A list of what is known, never of what is dangerous: a name that is missing here asks for `--trust`. Left out on purpose,
although their library is known: numpy.testing and numpy.memmap (run and write), `_ufunc_reconstruct` and
builtins.getattr (reach any function by its name), operator.methodcaller, scipy.stats (its state is run as code),
pandas.io, joblib.load and joblib.Memory, sklearn.datasets, and dotted names (they walk through attributes).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CLASS = re.compile(r"_{0,2}[A-Z]\w*\Z")
LOSSES = "sklearn._loss._loss"
_CYTHON = re.compile(r"__pyx_unpickle_\w+\Z")
_SPARSE = re.compile(r"(bsr|coo|csc|csr|dia|dok|lil)_(array|matrix)\Z")

_NUMBERS = (
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc intp longlong ulonglong float16 float32 float64 "
    "longdouble complex64 complex128 str_ bytes_ object_ datetime64 timedelta64 void"
)
_ELEMENTWISE = (
    "abs absolute arcsinh cbrt ceil clip cos cosh exp exp2 expm1 fabs floor isfinite isinf isnan log log10 log1p log2 "
    "logical_not maximum minimum nan_to_num negative reciprocal rint round sign sin sinh sqrt square tan tanh"
)
_SCORES = (
    "accuracy_score average_precision_score balanced_accuracy_score brier_score_loss cohen_kappa_score "
    "d2_absolute_error_score d2_brier_score d2_log_loss_score d2_pinball_score d2_tweedie_score explained_variance_score "
    "f1_score fbeta_score "
    "jaccard_score log_loss matthews_corrcoef max_error mean_absolute_error mean_absolute_percentage_error "
    "mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error mean_squared_log_error "
    "mean_tweedie_deviance median_absolute_error precision_score r2_score recall_score roc_auc_score "
    "root_mean_squared_error root_mean_squared_log_error top_k_accuracy_score zero_one_loss"
)
_MULTIARRAY = "_reconstruct scalar"
_PANDAS_CLASSES = (
    "ArrowDtype ArrowStringArray BaseMaskedDtype BooleanArray BooleanDtype Categorical CategoricalDtype CategoricalIndex "
    "DataFrame DatetimeArray DatetimeIndex DatetimeTZDtype FloatingArray Float32Dtype Float64Dtype Index Int8Dtype "
    "Int16Dtype Int32Dtype Int64Dtype IntegerArray Interval IntervalIndex MultiIndex NumpyExtensionArray NumpyEADtype "
    "PandasArray PandasDtype Period PeriodDtype RangeIndex Series StringArray StringArrayNumpySemantics StringDtype "
    "Timedelta TimedeltaIndex Timestamp BlockManager SingleBlockManager BlockPlacement Block DatetimeTZBlock "
    "NumericBlock NumpyBlock ObjectBlock ExtensionBlock FrozenList ObjectStringArrayMixin"
)

_EXACT: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple",
        "collections": "Counter OrderedDict defaultdict deque",
        "copyreg": "__newobj__ __newobj_ex__ _reconstructor",
        "_codecs": "encode",
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "functools": "partial",
        "operator": "itemgetter",
        "uuid": "UUID",
        "numpy": f"{_NUMBERS} {_ELEMENTWISE} dtype matrix ndarray",
        "numpy.core.multiarray": _MULTIARRAY,
        "numpy._core.multiarray": _MULTIARRAY,
        "numpy.core.numeric": "_frombuffer",
        "numpy._core.numeric": "_frombuffer",
        "numpy.core._multiarray_umath": _ELEMENTWISE,
        "numpy._core._multiarray_umath": _ELEMENTWISE,
        "numpy.ma.core": "MaskedArray _mareconstruct",
        "numpy.ma": "MaskedArray",
        "numpy.matrixlib.defmatrix": "matrix",
        "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
        "numpy.random.mtrand": "RandomState",
        "numpy.random._mt19937": "MT19937",
        "numpy.random._pcg64": "PCG64 PCG64DXSM",
        "numpy.random._generator": "Generator",
        "numpy.random.bit_generator": "SeedSequence",
        "joblib.numpy_pickle": "NumpyArrayWrapper",
        "scipy.interpolate._bsplines": "BSpline",
        "scipy.interpolate._interpolate": "interp1d",
        "scipy.interpolate.interpolate": "interp1d",
        "scipy.spatial._ckdtree": "cKDTree",
        "scipy.spatial._kdtree": "KDTree",
        "scipy.special._ufuncs": "expit logit ndtr",
        "sklearn.compose._column_transformer": "make_column_selector",
        "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
        "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_oneway f_regression r_regression",
        "sklearn.metrics._classification": _SCORES,
        "sklearn.metrics._ranking": _SCORES,
        "sklearn.metrics._regression": _SCORES,
        "sklearn.metrics._dist_metrics": "newObj",
        "sklearn.metrics._scorer": "_passthrough_scorer",
        "sklearn.neighbors._ball_tree": "newObj",
        "sklearn.neighbors._kd_tree": "newObj",
        "sklearn.utils.validation": "check_array",
        "scipy._lib.array_api_compat.numpy._aliases": "asarray",
        "lightgbm.basic": "Booster",
        "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRegressor",
        "xgboost.callback": "EarlyStopping",
        "xgboost.core": "Booster",
        "xgboost.sklearn": "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRegressor",
        "catboost.core": "CatBoost CatBoostClassifier CatBoostRegressor",
        "pandas": _PANDAS_CLASSES,
        "pandas.arrays": _PANDAS_CLASSES,
        "pyarrow.lib": "_restore_array chunked_array py_buffer type_for_alias",
        "pandas.core.indexes.base": f"{_PANDAS_CLASSES} _new_Index",
        "pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
        "pandas._libs.internals": "BlockManager BlockPlacement _unpickle_block",
        "pandas._libs.arrays": "NDArrayBacked",
        "pandas._libs.tslibs.timestamps": "Timestamp _unpickle_timestamp",
        "pandas._libs.tslibs.timedeltas": "Timedelta _timedelta_unpickle",
        "pandas._libs.tslibs.offsets": "Day Hour Minute MonthEnd Second",
    }.items()
}
_PANDAS_ROOMS = ("pandas.core.arrays.", "pandas.core.dtypes.", "pandas.core.indexes.", "pandas.core.internals.")
_PANDAS_FLAT = frozenset({"pandas.core.frame", "pandas.core.series"})
# Where every name that is written as a class is one that holds a fitted model's state, and does nothing when it is made.
_CLASS_ROOMS = (
    "sklearn.",
    "statsmodels.base.",
    "statsmodels.discrete.",
    "statsmodels.genmod.",
    "statsmodels.regression.",
    "statsmodels.robust.",
    "numpy.dtypes",
)
_CLOSED = (
    "sklearn.callback",
    "sklearn.conftest",
    "sklearn.datasets",
    "sklearn.experimental",
    "sklearn.externals",
    "sklearn.utils._mocking",
    "sklearn.utils._testing",
    "sklearn.utils.estimator_checks",
    "sklearn.utils.parallel",
)
_CYTHON_ROOMS = ("sklearn.", "numpy.random.", "pandas._libs.")
_FUNCTIONS = "C I Q bs cc center cr exp log log10 log1p log2 power scale sqrt standardize"
_SAFE_CALLS = frozenset(_FUNCTIONS.split())


def is_known(module: str, name: str) -> bool:
    """Whether a pickle may name `module.name`."""
    if not module.isascii() or not name.isascii() or not name.isidentifier():
        return False
    if name in _EXACT.get(module, ()):
        return True
    if _CYTHON.match(name):
        return module.startswith(_CYTHON_ROOMS) and not _is_closed(module)
    if module.startswith("scipy.sparse."):
        return _SPARSE.match(name) is not None
    if module in _PANDAS_FLAT or module.startswith(_PANDAS_ROOMS):
        return name in _EXACT["pandas"]
    return module.startswith(_CLASS_ROOMS) and not _is_closed(module) and _CLASS.match(name) is not None


def is_what_it_says(module: str, name: str, found: object) -> bool:
    """Whether what stands behind a known name belongs to the name's own library.

    A library's module also holds what it imports itself: `pathlib.Path`, say, is a name within many of them.
    """
    if name in _EXACT.get(module, ()):
        return True
    own = str(getattr(found, "__module__", None) or "")
    if (module, own) == (LOSSES, "_loss"):
        own = LOSSES  # scikit-learn 1.8 and before: Cython wrote the module without its package
    is_at_home = own.partition(".")[0] == module.partition(".")[0] and not _is_closed(own)
    return is_at_home and (isinstance(found, type) or _CYTHON.match(name) is not None)


def is_plain_formula(formula: str) -> bool:
    """Whether a model formula names columns and plain functions alone: statsmodels runs the rest as Python."""
    words = re.sub(r"'[^'\\]*'|\"[^\"\\]*\"", "''", formula)
    if not re.fullmatch(r"[\w\s~+\-*/:^().,='\[\]|%]*", words) or "__" in words:
        return False
    calls: Iterable[tuple[str, str]] = re.findall(r"([\w.]+)\s*(\()", words)
    dotted: list[str] = re.findall(r"[A-Za-z_]\w*(?:\s*\.\s*\w+)+", words)
    names = {call.removeprefix("np.") for call, _ in calls}
    kinds = {"Treatment", "Sum", "Poly", "Helmert", "Diff"}
    are_known = names <= _SAFE_CALLS | kinds and all(word.removeprefix("np.") in _SAFE_CALLS for word in dotted)
    return are_known and not re.search(r"[)\]]\s*\(", words)


def _is_closed(module: str) -> bool:
    return module.startswith(_CLOSED) or ".tests" in module or module.endswith("._testing")
