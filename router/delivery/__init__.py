"""The second half of the sentence: claim, render, deliver, settle; for every destination by itself."""

from router.delivery.channel import Channel
from router.delivery.dispatcher import Dispatcher
from router.delivery.observer import DeliveryObserver
from router.delivery.receipts import Receipts

__all__ = ["Channel", "DeliveryObserver", "Dispatcher", "Receipts"]
