"""Calibrated scores that are trained beside the decoder: model = dict(head=dict(confidence=_base_.confidence))."""

confidence = dict(type='ConfidenceHead')
