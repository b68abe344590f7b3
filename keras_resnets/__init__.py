"""Deep residual networks for Keras.

Each folder and file uses only those before it:

    errors, deprecation   the error of all checks; old names of arguments
    initializers, ops     initial values; arithmetic of boxes, regions and images, on tensors
    layers                Keras layers
    surgery, weights      changes of built nets; files of weights
    models                the nets
    preprocessing, multiply_adds, analysis
    detection             detectors and localizers, made of nets
    serving               exports, and clients for them
"""

from keras_resnets import analysis as analysis
from keras_resnets import detection as detection
from keras_resnets import layers as layers
from keras_resnets import preprocessing as preprocessing
from keras_resnets import serving as serving
from keras_resnets import surgery as surgery
from keras_resnets import weights as weights
from keras_resnets.detection.ensemble import Ensemble as Ensemble
from keras_resnets.detection.fast_rcnn import FastRCNN as FastRCNN
from keras_resnets.detection.faster_rcnn import FasterRCNN as FasterRCNN
from keras_resnets.detection.localizer import Localizer as Localizer
from keras_resnets.detection.rcnn import RCNN as RCNN
from keras_resnets.detection.spp_net import SPPNet as SPPNet
from keras_resnets.errors import ArgumentError as ArgumentError
from keras_resnets.models.bn_inception import BNInception as BNInception
from keras_resnets.models.cifar import CifarPlainNet as CifarPlainNet
from keras_resnets.models.cifar import CifarResNet as CifarResNet
from keras_resnets.models.cifar import CifarResNetV2 as CifarResNetV2
from keras_resnets.models.googlenet import GoogLeNet as GoogLeNet
from keras_resnets.models.inception_resnet import InceptionResNetV1 as InceptionResNetV1
from keras_resnets.models.inception_resnet import InceptionResNetV2 as InceptionResNetV2
from keras_resnets.models.inception_v3 import InceptionV3 as InceptionV3
from keras_resnets.models.inception_v4 import InceptionV4 as InceptionV4
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
from keras_resnets.models.resnet import ResNet200 as ResNet200
from keras_resnets.models.resnet_v2 import ResNet18V2 as ResNet18V2
from keras_resnets.models.resnet_v2 import ResNet34V2 as ResNet34V2
from keras_resnets.models.resnet_v2 import ResNet50V2 as ResNet50V2
from keras_resnets.models.resnet_v2 import ResNet101V2 as ResNet101V2
from keras_resnets.models.resnet_v2 import ResNet152V2 as ResNet152V2
from keras_resnets.models.resnet_v2 import ResNet200V2 as ResNet200V2
from keras_resnets.models.resnet_v2 import ResNetV2 as ResNetV2
from keras_resnets.models.vgg import VGG as VGG
from keras_resnets.models.vgg import VGG16 as VGG16
from keras_resnets.models.vgg import VGG19 as VGG19
from keras_resnets.models.zfnet import ZFNet as ZFNet
from keras_resnets.multiply_adds import multiply_adds as multiply_adds
from keras_resnets.preprocessing import preprocess_input as preprocess_input
from keras_resnets.surgery.graph import stage_outputs as stage_outputs
