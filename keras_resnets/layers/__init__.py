"""Layers that Keras does not have."""

from keras_resnets.layers.anchor_generator import AnchorGenerator as AnchorGenerator
from keras_resnets.layers.batch_normalization import BatchNormalization as BatchNormalization
from keras_resnets.layers.conv2d import Conv2D as Conv2D
from keras_resnets.layers.detections import Detections as Detections
from keras_resnets.layers.image_normalization import ImageNormalization as ImageNormalization
from keras_resnets.layers.padded_max_pooling import PaddedMaxPooling2D as PaddedMaxPooling2D
from keras_resnets.layers.proposals import Proposals as Proposals
from keras_resnets.layers.region_warping import RegionWarping as RegionWarping
from keras_resnets.layers.roi_align import RoIAlign as RoIAlign
from keras_resnets.layers.roi_pooling import RoIPooling as RoIPooling
from keras_resnets.layers.spatial_pyramid_pooling import SpatialPyramidPooling as SpatialPyramidPooling
from keras_resnets.layers.within_channel_normalization import WithinChannelNormalization as WithinChannelNormalization
from keras_resnets.layers.zero_padded_shortcut import ZeroPaddedShortcut as ZeroPaddedShortcut
