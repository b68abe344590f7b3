"""Deep residual networks for Keras."""

from keras_resnets import layers as layers
from keras_resnets import preprocessing as preprocessing
from keras_resnets import serving as serving
from keras_resnets import weights as weights
from keras_resnets.errors import ArgumentError as ArgumentError
from keras_resnets.models.cifar import CifarPlainNet as CifarPlainNet
from keras_resnets.models.cifar import CifarResNet as CifarResNet
from keras_resnets.models.registry import create_model as create_model
from keras_resnets.models.registry import list_models as list_models
from keras_resnets.models.resnet import PlainNet18 as PlainNet18
from keras_resnets.models.resnet import PlainNet34 as PlainNet34
from keras_resnets.models.resnet import ResNet as ResNet
from keras_resnets.models.resnet import ResNet18 as ResNet18
from keras_resnets.models.resnet import ResNet34 as ResNet34
from keras_resnets.models.resnet import ResNet50 as ResNet50
from keras_resnets.models.resnet import ResNet50V1_5 as ResNet50V1_5
from keras_resnets.models.resnet import ResNet101 as ResNet101
from keras_resnets.models.resnet import ResNet101V1_5 as ResNet101V1_5
from keras_resnets.models.resnet import ResNet152 as ResNet152
from keras_resnets.models.resnet import ResNet152V1_5 as ResNet152V1_5
